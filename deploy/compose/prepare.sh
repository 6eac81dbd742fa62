#!/bin/sh
# Makes the secrets that compose.yaml hands to its containers, each readable by the user of the one container that needs it. What
# is there already stays. Giving files away needs root: run it with sudo, or let Docker do that part in a container.
set -eu
umask 077
mkdir -p "$(dirname "$0")/secrets"
cd "$(dirname "$0")/secrets"

make() { # name, then the command that prints it
  name=$1
  shift
  [ -s "$name" ] || "$@" >"$name"
}
make node.key openssl rand -base64 32
make postgres-password openssl rand -hex 24
# The same twice: the database's user and the nodes' cannot read one another's files.
make node-postgres-password cat postgres-password
make grafana-password openssl rand -hex 12
make metrics-token echo none-yet

# An authority of our own for the database's name in this network. Its key is not kept: it has signed all that it ever will.
if [ ! -s postgres.crt ]; then
  key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
  printf 'subjectAltName=DNS:postgres\n' >extensions
  # shellcheck disable=SC2086
  openssl req -x509 $key -days 3650 -subj "/CN=signalbox compose" -keyout ca.key -out postgres-ca.pem 2>/dev/null
  # shellcheck disable=SC2086
  openssl req $key -subj "/CN=postgres" -keyout postgres.key -out postgres.csr 2>/dev/null
  openssl x509 -req -in postgres.csr -CA postgres-ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
    -extfile extensions -out postgres.crt 2>/dev/null
  rm -f ca.key postgres.csr extensions postgres-ca.srl
  chmod 644 postgres-ca.pem
fi

owners="chown 10001 node.key node-postgres-password && chown 999 postgres-password postgres.crt postgres.key &&
  chown 65534 metrics-token && chown 472 grafana-password"
if [ "$(id -u)" -eq 0 ]; then
  sh -c "$owners"
else
  docker run --rm --user 0 --volume "$PWD:/secrets" --workdir /secrets --entrypoint sh postgres:17-bookworm -c "$owners"
fi
