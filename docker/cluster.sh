# What the scripts of the Docker deployment share; sourced by them.
# shellcheck shell=bash

docker_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$docker_dir")
network=stolon-network

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The variables of .env; those of the shell win, as they do for compose.
load_env() {
  local name value
  while IFS='=' read -r name value; do
    case $name in '' | '#'*) continue ;; esac
    [ -n "${!name+set}" ] || export "$name=$value"
  done <"$docker_dir/.env"
}
load_env

absolute() { case $1 in /*) echo "$1" ;; *) echo "$docker_dir/${1#./}" ;; esac; }
secrets=$(absolute "$SECRETS_DIR")
spec=$(absolute "$INIT_SPEC")

need_engine() {
  command -v docker >/dev/null 2>&1 || die "the command docker was not found; install Docker Engine"
  local answer
  answer=$(timeout 20 docker version --format '{{.Server.Version}}' 2>&1) ||
    die "no Docker Engine answers; start it, or point DOCKER_HOST at it, or ask for the right to use it (docker says: ${answer##*$'\n'})"
}

need_token() {
  [ -n "${ETCD_TOKEN:-}" ] ||
    die "the variable ETCD_TOKEN is not set: it names the etcd cluster, so that its members find each other and no other cluster's; any word will do, as in ETCD_TOKEN=stolon-1 make ${1:-local-up}"
  [[ $ETCD_TOKEN =~ ^[A-Za-z0-9._-]+$ ]] ||
    die "ETCD_TOKEN may hold letters, digits, dots, dashes and underscores only, for it becomes part of etcd's command line"
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

need_images() {
  local image
  for image in "$IMAGE_TAG_SENTINEL" "$IMAGE_TAG_KEEPER" "$IMAGE_TAG_PROXY"; do
    has_image "$image" || die "the image $image is not built; run make build"
  done
  for image in "$@"; do
    has_image "$image" && continue
    say "pulling $image"
    docker pull --quiet "$image" >/dev/null 2>&1 ||
      die "the image $image is not here and cannot be pulled; run make lab-images for a local stand-in"
  done
}

need_secrets() {
  local file user owner
  user=$(docker image inspect --format '{{.Config.User}}' "$IMAGE_TAG_KEEPER")
  for file in "$secrets/pgsql" "$secrets/pgsql-repl"; do
    [ -s "$file" ] || die "the secret $file is missing; run make secrets"
    owner=$(stat -c %u "$file")
    [ "$owner" = "${user%%:*}" ] ||
      die "the secret $file belongs to user $owner, but the image $IMAGE_TAG_KEEPER runs as user ${user%%:*} and could not read it; run make build"
  done
}

# The sentinel itself judges the specification, without a network: it ends at once on a bad one.
need_valid_spec() {
  [ -r "$spec" ] || die "the cluster specification $spec cannot be read"
  local probe log state
  probe=$(docker run -d --network none -v "$spec:/spec.json:ro" -e STSENTINEL_METRICS_LISTEN_ADDRESS= "$IMAGE_TAG_SENTINEL" \
    --initial-cluster-spec /spec.json --log-color=false) || die "the sentinel's image could not be run to check $spec"
  for _ in {1..100}; do
    # The state first: what an ended sentinel had to say is then in the log.
    state=$(docker inspect --format '{{.State.Running}}' "$probe")
    log=$(docker logs "$probe" 2>&1)
    case $log in *'sentinel uid'*) break ;; esac
    [ "$state" = true ] || break
    sleep 0.1
  done
  docker rm -f "$probe" >/dev/null
  case $log in
  *'sentinel uid'*) ;;
  *) log=${log##*cannot create sentinel: }; die "the cluster specification $spec cannot be used: ${log%%$'\n'*}" ;;
  esac
}

# 0 is a random high port.
need_port() { # variable port purpose
  [[ $2 =~ ^[0-9]{1,5}$ ]] && [ "$2" -le 65535 ] || die "$1=$2 is not a port number"
  [ "$2" = 0 ] || ! (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null ||
    die "port $2 on 127.0.0.1, meant for $3, is taken; free it or choose another with $1=<port>"
}

has_container() { docker container inspect "$1" >/dev/null 2>&1; }
has_volume() { docker volume inspect "$1" >/dev/null 2>&1; }

# The keepers' data without etcd's is dangerous: a new cluster would initialise one of them anew.
need_whole_data() { # purge-target etcd-volume keeper-volume...
  local purge=$1 etcd=$2 volume
  shift 2
  has_volume "$etcd" && return
  for volume in "$@"; do
    ! has_volume "$volume" ||
      die "the keepers' volume $volume is there but etcd's volume $etcd is gone, so a new cluster would overwrite its data; save what you need of it, then run make $purge"
  done
}

# Waits for a state and shows that it waits. wait_for SECONDS "what" command...
wait_for() {
  local limit=$1 what=$2 began=$SECONDS shown=0
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $((SECONDS - began)) -lt "$limit" ] || return 1
    if [ $((SECONDS - began)) -ge $((shown + 5)) ]; then
      shown=$((SECONDS - began))
      say "  waiting for $what: $shown s"
    fi
    sleep 0.5
  done
  say "  $what: done after $((SECONDS - began)) s"
}

# stolonctl within a sentinel's container.
ctl() { docker exec "$1" stolonctl "${@:2}"; }

# Keepers that are healthy and whose PostgreSQL is as wanted.
keepers_in_place() { # sentinel-container number
  [ "$(ctl "$1" status 2>/dev/null | awk -F '\t+' '
    /^=== / { keepers = ($0 == "=== Keepers ===") }
    keepers && NF >= 6 && $1 != "UID" && $2 == "true" && $4 == "true" && $5 == $6 && $5 > 0 { n++ }
    END { print n + 0 }')" -ge "$2" ]
}

# The proxy answers as PostgreSQL does: an SSLRequest gets its one byte only once a master is behind it.
proxy_serves() { # host-port
  local byte
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf '\0\0\0\10\4\322\26\57' >&3
  IFS= read -r -t 5 -n 1 byte <&3 || true
  exec 3>&-
  case $byte in S | N) return 0 ;; *) return 1 ;; esac
}
