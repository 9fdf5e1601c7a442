#!/bin/sh
# A Docker Engine of our own, and stand-ins for the images that the tests need, made without a hub.
#
#   scripts/docker-engine.sh start DIR            dockerd with everything it has in DIR, on unix://DIR/docker.sock; needs root
#   scripts/docker-engine.sh stop DIR             ends it and removes DIR
#   scripts/docker-engine.sh registry-image NAME BINARY CONFIG_PATH
#                                                 the official images' layout around a registry binary
#   scripts/docker-engine.sh node-image NAME      this machine's node and npm, with its certificates and npm settings:
#                                                 never push it, delete it after use, and what was built on it:
#                                                 docker image prune --force --filter label=delgate.test.node=NAME
# The image commands use the engine that DOCKER_HOST names.
set -eu

fail () { echo "docker-engine.sh: $*" >&2; exit 1; }

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for () {
  deadline=$(($(date +%s) + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# A bridge for one engine: two engines on one bridge give the same address to two containers.
new_bridge () {
  for number in $(seq 0 19); do
    ip link add "delgate$number" type bridge 2>/dev/null || continue
    ip address add "172.31.$((230 + number)).1/24" dev "delgate$number"
    ip link set "delgate$number" up
    echo "delgate$number"
    return
  done
  return 1
}

start () {
  [ "$(id -u)" = 0 ] || fail 'starting dockerd needs root'
  command -v dockerd >/dev/null || fail 'no dockerd: install the package docker.io'
  mkdir -p "$1"
  bridge=$(new_bridge) || fail 'cannot make a network bridge'
  echo "$bridge" >"$1/bridge"
  nohup dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" --bridge "$bridge" \
    --host "unix://$1/docker.sock" >"$1/dockerd.log" 2>&1 </dev/null &
  wait_for 60 docker --host "unix://$1/docker.sock" version || { tail -20 "$1/dockerd.log" >&2; fail 'dockerd does not answer'; }
}

stop () {
  [ -d "$1" ] || return 0
  if [ -S "$1/docker.sock" ]; then
    docker --host "unix://$1/docker.sock" ps --quiet | xargs -r docker --host "unix://$1/docker.sock" kill >/dev/null 2>&1 || true
  fi
  if [ -f "$1/pid" ]; then
    pid=$(cat "$1/pid")
    kill "$pid" 2>/dev/null || true
    wait_for 30 sh -c "! kill -0 $pid" || kill -9 "$pid"
  fi
  awk -v dir="$1/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
  [ ! -f "$1/bridge" ] || ip link delete "$(cat "$1/bridge")" 2>/dev/null || true
  rm -rf "$1"
}

# Copies programs into a root file system, each to its own path or to SOURCE=TARGET, with the libraries that they load.
add_programs () {
  root=$1; shift
  for program in "$@"; do
    source=${program%%=*} target=${program##*=}
    mkdir -p "$root$(dirname "$target")"
    cp -L "$source" "$root$target"
    for library in $(ldd "$source" 2>/dev/null | grep -o '/[^ )]*' || true); do
      mkdir -p "$root$(dirname "$library")"
      cp -L "$library" "$root$library"
    done
  done
}

# A root file system with a shell.
new_root () {
  root=$(mktemp -d)
  mkdir -p "$root/bin" "$root/etc" "$root/root" "$root/tmp" "$root/usr/bin" "$root/var/lib"
  busybox=$(command -v busybox) || fail 'no busybox: install the package busybox-static'
  add_programs "$root" "$busybox=/bin/busybox"
  for name in $("$busybox" --list); do
    [ -e "$root/bin/$name" ] || ln -s busybox "$root/bin/$name"
  done
  ln -s /bin/env "$root/usr/bin/env"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  echo "$root"
}

# import_root ROOT NAME [docker import options]
import_root () {
  root=$1 name=$2; shift 2
  tar --create --numeric-owner --owner=0 --group=0 --directory "$root" . | docker import "$@" - "$name" >/dev/null
  rm -rf "$root"
}

# As distribution/distribution-library-image lays it out: the command is the configuration's path, a script adds "serve".
registry_image () {
  root=$(new_root)
  add_programs "$root" "$2=/bin/registry"
  mkdir -p "$root$(dirname "$3")"
  cat >"$root$3" <<'CONFIG'
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
CONFIG
  cat >"$root/entrypoint.sh" <<'SCRIPT'
#!/bin/sh
set -e
case "$1" in
  *.yaml|*.yml) set -- registry serve "$@" ;;
  serve|garbage-collect|help|-*) set -- registry "$@" ;;
esac
exec "$@"
SCRIPT
  chmod +x "$root/entrypoint.sh"
  import_root "$root" "$1" --change 'ENTRYPOINT ["/entrypoint.sh"]' --change "CMD [\"$3\"]" --change 'EXPOSE 5000' \
    --change 'VOLUME ["/var/lib/registry"]' --change 'ENV OTEL_TRACES_EXPORTER=none'
}

node_image () {
  root=$(new_root)
  add_programs "$root" "$(readlink -f "$(command -v node)")=/usr/bin/node"
  npm=$(npm root --global)/npm
  mkdir -p "$root/usr/lib/node_modules" "$root/etc/ssl/certs"
  cp -RL "$npm" "$root/usr/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/bin/npm"
  if [ -f "$HOME/.npmrc" ]; then cp "$HOME/.npmrc" "$root/root/.npmrc"; fi
  if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; fi
  import_root "$root" "$1" --change 'CMD ["node"]' --change "LABEL delgate.test.node=$1" --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'
}

command=${1:-}
[ $# -gt 0 ] && shift
case "$command" in
  start) start "$@" ;;
  stop) stop "$@" ;;
  registry-image) registry_image "$@" ;;
  node-image) node_image "$@" ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
