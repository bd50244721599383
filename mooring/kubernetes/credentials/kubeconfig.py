"""Kubeconfig files: read, merged and resolved by client-go's rules.

Contract: of several files the first that defines a name, or sets current-context, wins; a missing one is skipped; a relative path
belongs to the folder of its file. Every error names the file and what to do.

Invariant: no error shows a value of a file, since any may be a secret, and none has a cause that does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec
import yaml

from mooring.kubernetes.credentials.errors import KubernetesNotConfigured
from mooring.kubernetes.credentials.schema import Cluster, Config, Context, NamedCluster, NamedContext, NamedUser, User

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

T = TypeVar("T")
E = TypeVar("E", NamedCluster, NamedUser, NamedContext)


@dataclass(frozen=True, slots=True)
class Defined(Generic[T]):
    """A definition, and the folder that its relative paths belong to."""

    value: T
    folder: Path


@dataclass(frozen=True, slots=True)
class Chosen:
    """A context, resolved. `source` names the files to people."""

    source: str
    user_name: str
    cluster: Defined[Cluster]
    user: Defined[User]


@dataclass(frozen=True, slots=True)
class KubeconfigFile:
    """A file that has been read, or a mapping in place of one."""

    source: str
    folder: Path
    config: Config

    def clusters(self) -> dict[str, Cluster]:
        """Return the clusters by name."""
        return {each.name: each.cluster for each in self._unique("clusters", self.config.clusters)}

    def users(self) -> dict[str, User]:
        """Return the users by name."""
        return {each.name: each.user for each in self._unique("users", self.config.users)}

    def contexts(self) -> dict[str, Context]:
        """Return the contexts by name."""
        return {each.name: each.context for each in self._unique("contexts", self.config.contexts)}

    def _unique(self, key: str, entries: Sequence[E]) -> Sequence[E]:
        names = [each.name for each in entries]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise KubernetesNotConfigured(f"The kubeconfig {self.source} defines {twice} twice in {key}: remove one.")
        return entries


def read_files(names: str) -> list[KubeconfigFile]:
    """Read the files in a value of KUBECONFIG that exist. `~` is expanded, in case no shell has done so.

    Raises:
        KubernetesNotConfigured: none exists, or one can't be read or is no kubeconfig.

    """
    paths = [Path(name).expanduser() for name in names.split(os.pathsep) if name]
    found = [(path, content) for path in paths if (content := _content(path)) is not None]
    if not found:
        raise KubernetesNotConfigured(f"The kubeconfig {_listed(paths)} can't be used: there is no such file.")
    return [_parse(path, content) for path, content in found]


def read_mapping(content: Mapping[str, Any]) -> list[KubeconfigFile]:
    """Read a kubeconfig that was passed in; its relative paths belong to the working directory."""
    return [_decode("that was passed in", Path.cwd(), content)]


def choose(files: Sequence[KubeconfigFile], wanted: str = "") -> Chosen:
    """Resolve the wanted context, the current one if that is "".

    Raises:
        KubernetesNotConfigured: there is none, or it names something that doesn't exist.

    """
    source = _listed(file.source for file in files)
    name = wanted or next((file.config.current_context for file in files if file.config.current_context), "")
    contexts = _merged((file.folder, file.contexts()) for file in files)
    if name not in contexts:
        raise _no_context(source, name, list(contexts), asked=bool(wanted))
    context = contexts[name].value
    cluster = _merged((file.folder, file.clusters()) for file in files).get(context.cluster)
    user = _merged((file.folder, file.users()) for file in files).get(context.user)
    if cluster is None:
        raise _dangling(source, name, "cluster", context.cluster)
    if user is None and context.user:
        raise _dangling(source, name, "user", context.user)
    return Chosen(source, context.user, cluster, user or Defined(User(), Path()))


def _merged(definitions: Iterable[tuple[Path, dict[str, T]]]) -> dict[str, Defined[T]]:
    merged: dict[str, Defined[T]] = {}
    for folder, named in definitions:
        for name, value in named.items():
            merged.setdefault(name, Defined(value, folder))
    return merged


def _content(path: Path) -> bytes | None:
    """Return a file's content, or None if it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise _no_kubeconfig(path, "it is a directory") from None
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise KubernetesNotConfigured(f"The kubeconfig {path} can't be read: {why}.") from None


def _parse(path: Path, content: bytes) -> KubeconfigFile:
    try:
        found = next(iter(yaml.load_all(content, LOADER)), None)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        raise _no_kubeconfig(path, "it is neither YAML nor JSON") from None
    if found is None:
        raise _no_kubeconfig(path, "it is empty")
    if not isinstance(found, dict):
        raise _no_kubeconfig(path, "it has no fields")
    return _decode(str(path), path.absolute().parent, found)


def _decode(source: str, folder: Path, content: Mapping[str, Any]) -> KubeconfigFile:
    kind = content.get("kind") or "Config"
    if kind != "Config":
        raise _no_kubeconfig(source, f"its kind is {kind}" if isinstance(kind, str) else "its kind is no text")
    try:
        config = msgspec.convert(_without_nulls(content), Config)
    except msgspec.ValidationError as error:
        raise KubernetesNotConfigured(f"The kubeconfig {source} can't be used: {error}.") from None
    if not (config.clusters or config.contexts or config.users):
        raise _no_kubeconfig(source, "it has no clusters, contexts and users")
    return KubeconfigFile(source, folder, config)


def _without_nulls(value: Any) -> Any:
    """Drop the nulls, which Go reads as not set."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value if each is not None] if isinstance(value, list) else value


def _no_kubeconfig(source: object, why: str) -> KubernetesNotConfigured:
    return KubernetesNotConfigured(f"{source} is no kubeconfig: {why}.")


def _no_context(source: str, name: str, others: Sequence[str], *, asked: bool) -> KubernetesNotConfigured:
    if asked:
        return KubernetesNotConfigured(f"The kubeconfig {source} has no context {name}; it has {', '.join(others) or 'none'}.")
    why = f"its current-context {name} is not in its contexts" if name else "it sets no current-context"
    hint = f" Choose one with `kubectl config use-context`: {', '.join(others)}." if others else ""
    return KubernetesNotConfigured(f"The kubeconfig {source} can't be used: {why}.{hint}")


def _dangling(source: str, context: str, kind: str, name: str) -> KubernetesNotConfigured:
    why = f"its context {context} names {kind} {name}, which is not there" if name else f"its context {context} names no {kind}"
    return KubernetesNotConfigured(f"The kubeconfig {source} can't be used: {why}. See `kubectl config view`.")


def _listed(names: Iterable[object]) -> str:
    return " and ".join(map(str, names))
