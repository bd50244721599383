#!/bin/sh
# Takes the generated calls and models of the Kubernetes client out of an installation: 65 of its 75 MB, and as much again once
# compiled. Mooring asks the API server by paths and reads what it needs of an answer; the client loads none of them by itself.
#
#   trim.sh SITE-PACKAGES
set -eu
for generated in client/api client/models aio/client/api aio/client/models; do
    find "$1/kubernetes/$generated" -name '*.py[co]' -delete
    find "$1/kubernetes/$generated" -name '*.py' ! -name __init__.py -delete
done
