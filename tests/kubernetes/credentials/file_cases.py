"""Rows about kubeconfig files: which are read, how they are merged, and which are none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from tests.kubernetes.credentials.cases import BEARER, NOBODY, PROMPT, TOKEN, Case
from tests.kubernetes.credentials.scene import Scene


def raw(content: str) -> Callable[[Scene], str]:
    """Return a case that writes a file with this content."""
    return lambda scene: str(scene.write("config", content))


def several(scene: Scene) -> str:
    """Write two of three files: the first is missing, the second has no current context, and the third has one."""
    second = scene.kubeconfig({"token": TOKEN}, name="it", file="one/config")
    content = scene.folder.joinpath("one/config")
    content.write_text(content.read_text().replace("current-context: it", "current-context: ''"))
    third = scene.kubeconfig({"token": "other"}, {"server": "https://127.0.0.1:1"}, name="it", file="two/config")
    return os.pathsep.join([str(scene.folder / "missing"), second, "", third])


def first_context(scene: Scene) -> str:
    """Write two files, each with a current context."""
    first = scene.kubeconfig({"token": TOKEN}, name="first", file="one/config")
    return os.pathsep.join([first, scene.kubeconfig({"token": "other"}, name="second", file="two/config")])


def relative_in_each(scene: Scene) -> str:
    """Write two files, of which the second has the user, whose token file is beside that."""
    scene.write("one/token", "other")
    scene.write("two/token", TOKEN)
    first = scene.kubeconfig({}, name="it", file="one/config")
    content = scene.folder.joinpath("one/config")
    content.write_text(content.read_text().replace("users:\n- name: it", "users:\n- name: someone"))
    return os.pathsep.join([first, scene.kubeconfig({"tokenFile": "token"}, name="it", file="two/config")])


def one_is_damaged(scene: Scene) -> str:
    """Write a good file, and one that is no kubeconfig."""
    return os.pathsep.join([scene.kubeconfig({"token": TOKEN}), str(scene.write("two/config", "hello"))])


def looped(scene: Scene) -> str:
    """Make a symbolic link to itself: a file that nobody can read, not even root."""
    link = scene.folder / "loop"
    link.symlink_to(link)
    return str(link)


def dangling(scene: Scene, **changed: str) -> str:
    """Write a context that names an entry that isn't there."""
    contexts = [{"name": "it", "context": {"cluster": "it", "user": "it", **changed}}]
    clusters = [{"name": "it", "cluster": {"server": scene.api.url, "insecure-skip-tls-verify": True}}]
    users = [{"name": "it", "user": {"token": TOKEN}}]
    return scene.document("config", **{"current-context": "it"}, contexts=contexts, clusters=clusters, users=users)


def chosen(context: str) -> Callable[[Scene], str]:
    """Return a case that writes a kubeconfig with another current-context than the one that it has."""

    def write(scene: Scene) -> str:
        path = scene.kubeconfig({"token": TOKEN})
        content = scene.folder.joinpath("config")
        content.write_text(content.read_text().replace("current-context: it", f"current-context: {context}"))
        return path

    return write


def twice(scene: Scene) -> str:
    """Write a user that is defined twice."""
    path = scene.kubeconfig({"token": TOKEN})
    content = scene.folder.joinpath("config")
    content.write_text(content.read_text().replace("users:\n", "users:\n- name: it\n  user:\n    token: other\n"))
    return path


def two_documents(scene: Scene) -> str:
    """Write a kubeconfig, and another document after it."""
    path = Path(scene.kubeconfig({"token": TOKEN}))
    path.write_text(f"{path.read_text()}---\nkind: Pod\n")
    return str(path)


def in_json(scene: Scene) -> str:
    """Write a kubeconfig in JSON."""
    path = Path(scene.kubeconfig({"token": TOKEN}))
    path.write_text(json.dumps(yaml.safe_load(path.read_text())))
    return str(path)


ELSEWHERE: Final = "localhost:8080"
FILES: Final = [
    Case("the first file that sets current-context, and defines a name", several, BEARER),
    Case("the first of two current-contexts", first_context, BEARER),
    Case("a relative path of each file", relative_in_each, BEARER),
    Case("two documents in a file", two_documents, BEARER),
    Case("a file in JSON", in_json, BEARER),
    Case(
        "a damaged file beside a good one", one_is_damaged, error="two/config is no kubeconfig", kubectl="error loading config file"
    ),
    Case(
        "no file that is there",
        lambda scene: f"{scene.folder}/a:{scene.folder}/b",
        error="/a and .*/b can't be used: there is no such file",
        kubectl=ELSEWHERE,
    ),
    Case("a file that can't be read", looped, error="loop can't be read: too many levels", kubectl="too many levels"),
    Case("an empty file", raw(""), error="is no kubeconfig: it is empty", kubectl=ELSEWHERE),
    Case("a directory", lambda scene: str(scene.folder), error="is no kubeconfig: it is a directory", kubectl="is a directory"),
    Case(
        "a binary file",
        lambda _: "/bin/true",
        error="/bin/true is no kubeconfig: it is neither YAML nor JSON",
        kubectl="error loading config file",
    ),
    Case(
        "the file of passwords",
        lambda _: "/etc/passwd",
        error="/etc/passwd is no kubeconfig: it has no fields",
        kubectl="couldn't get version/kind",
    ),
    Case("a list", raw("- a\n"), error="is no kubeconfig: it has no fields", kubectl="couldn't get version/kind"),
    Case("another kind", raw("kind: Pod\napiVersion: v1\n"), error="is no kubeconfig: its kind is Pod", kubectl='no kind "Pod"'),
    Case("no clusters, contexts and users", raw("kind: Config\n"), error="is no kubeconfig: it has no clusters", kubectl=ELSEWHERE),
    Case("no kind", lambda scene: dangling(scene), BEARER),
    Case("no current-context", chosen("''"), error="sets no current-context. Choose one with .*: it", kubectl=ELSEWHERE),
    Case(
        "a current-context that isn't there",
        chosen("gone"),
        error="current-context gone is not in its contexts",
        kubectl="context was not found",
    ),
    Case(
        "a context whose cluster isn't there",
        lambda scene: dangling(scene, cluster="gone"),
        error="names cluster gone, which is not there",
        kubectl=ELSEWHERE,
    ),
    Case(
        "a context whose user isn't there",
        lambda scene: dangling(scene, user="gone"),
        error="names user gone, which is not there",
        kubectl=PROMPT,
    ),
    Case("a context without a user", lambda scene: dangling(scene, user=""), NOBODY, kubectl=PROMPT),
    Case("a user that is defined twice", twice, error="defines it twice in users", kubectl="duplicate name"),
]
