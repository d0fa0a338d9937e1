# Where the demo's parts live and how they are started and stopped; sourced by demo/up, demo/failover and demo/down.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
demo=${DEMO_DIR:-$root/.demo}

proxy_port=${DEMO_PROXY_PORT:-25432}
page_port=${DEMO_PAGE_PORT:-25480}
etcd_port=${DEMO_ETCD_PORT:-25379}
etcd_peer_port=${DEMO_ETCD_PEER_PORT:-25380}
keeper_ports=("${DEMO_KEEPER0_PORT:-25440}" "${DEMO_KEEPER1_PORT:-25441}" "${DEMO_KEEPER2_PORT:-25442}")
cluster=demo

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# PostgreSQL refuses to run as root: as root, everything of the demo runs as the user that Debian's package made.
if [ "$(id -u)" = 0 ]; then
  demo_user=postgres
  become=(setpriv --reuid="$demo_user" --regid="$demo_user" --init-groups --)
else
  demo_user=$(id -un)
  become=()
fi

pg_bin() {
  if [ -n "${DEMO_PG_BIN:-}" ]; then echo "$DEMO_PG_BIN"; return; fi
  local newest
  newest=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
  [ -n "$newest" ] || die "no PostgreSQL server was found under /usr/lib/postgresql; run make deps, or set DEMO_PG_BIN"
  dirname "$newest"
}

export STOLONCTL_CLUSTER_NAME=$cluster STOLONCTL_STORE_BACKEND=etcdv3 STOLONCTL_STORE_ENDPOINTS=http://127.0.0.1:$etcd_port
ctl() { "$demo/bin/stolonctl" "$@"; }
store_flags=(--cluster-name "$cluster" --store-backend etcdv3 --store-endpoints "http://127.0.0.1:$etcd_port")

# A pid is ours only while the process still runs what we started under this name.
pid_of() { # name -> its pid, or nothing
  local pid file="$demo/run/$1.pid"
  [ -f "$file" ] || return 1
  pid=$(<"$file")
  [ -d "/proc/$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$demo/" || return 1
  echo "$pid"
}

parts() { local f; for f in "$demo"/run/*.pid; do [ -e "$f" ] && basename "$f" .pid; done; true; }

running() { local part; for part in $(parts); do pid_of "$part" >/dev/null && return 0; done; return 1; }

start() { # name command...
  local name=$1
  shift
  # A new session: the demo outlives the terminal and its Ctrl-C.
  "${become[@]}" setsid "$@" >>"$demo/log/$name.log" 2>&1 </dev/null &
  echo $! >"$demo/run/$name.pid"
}

start_etcd() {
  start etcd etcd --name demo --data-dir "$demo/etcd" --log-level warn \
    --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls "http://127.0.0.1:$etcd_peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$etcd_peer_port" \
    --initial-cluster "demo=http://127.0.0.1:$etcd_peer_port" --auto-compaction-retention 1
}

start_sentinel() { # number
  start "sentinel$1" "$demo/bin/stolon-sentinel" "${store_flags[@]}" --initial-cluster-spec "$demo/spec.json"
}

start_keeper() { # number
  start "keeper$1" "$demo/bin/stolon-keeper" "${store_flags[@]}" --uid "keeper$1" --data-dir "$demo/keeper$1" \
    --pg-listen-address 127.0.0.1 --pg-port "${keeper_ports[$1]}" --pg-bin-path "$(pg_bin)" \
    --pg-su-username stolon --pg-su-passwordfile "$demo/secrets/pgsql" \
    --pg-repl-username repluser --pg-repl-passwordfile "$demo/secrets/pgsql-repl"
}

start_proxy() {
  start proxy "$demo/bin/stolon-proxy" "${store_flags[@]}" --listen-address 127.0.0.1 --port "$proxy_port" \
    --metrics-listen-address "127.0.0.1:$page_port"
}

stop_pid() { # pid description: TERM, up to 20 s, then KILL
  local pid=$1 tries=0
  kill -TERM "$pid" 2>/dev/null || return 0
  while [ -d "/proc/$pid" ] && [ $tries -lt 200 ]; do sleep 0.1; tries=$((tries + 1)); done
  if [ -d "/proc/$pid" ]; then say "  $2 did not stop in time and is killed"; kill -KILL "$pid" 2>/dev/null || true; fi
}

# A PostgreSQL outlives a keeper that was killed. Its postmaster.pid names it, and its working directory proves it ours.
postmaster_of() { # keeper name -> pid of its PostgreSQL, or nothing
  local pid file="$demo/$1/postgres/postmaster.pid"
  [ -f "$file" ] || return 1
  pid=$(head -n 1 "$file")
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$demo/$1/postgres" ] || return 1
  echo "$pid"
}

stop_everything() {
  local part pid
  for part in proxy sentinel0 sentinel1 keeper0 keeper1 keeper2; do
    if pid=$(pid_of "$part"); then say "stopping $part"; stop_pid "$pid" "$part"; fi
    rm -f "$demo/run/$part.pid"
  done
  for part in keeper0 keeper1 keeper2; do
    if pid=$(postmaster_of "$part"); then say "stopping the PostgreSQL of $part"; stop_pid "$pid" "the PostgreSQL of $part"; fi
  done
  if pid=$(pid_of etcd); then say "stopping etcd"; stop_pid "$pid" etcd; fi
  rm -f "$demo/run/etcd.pid"
}

psql_command() {
  printf "PGPASSWORD='%s' psql -h 127.0.0.1 -p %s -U stolon postgres" "$(cat "$demo/secrets/pgsql")" "$proxy_port"
}

# What the cluster says of itself: lines of `keeper healthy converged master`, each of the last three yes or no.
keeper_states() {
  ctl status 2>/dev/null | awk -F '\t+' '
    /^=== / { keepers = ($0 == "=== Keepers ===") }
    keepers && NF >= 6 && $1 != "UID" { healthy[$1] = $4; converged[$1] = ($5 == $6 && $5 > 0) }
    sub(/^Master Keeper: /, "") { master = $0 }
    END { for (k in healthy) print k, healthy[k] == "true" ? "yes" : "no", converged[k] ? "yes" : "no", k == master ? "yes" : "no" }
  '
}

sql() { PGPASSWORD=$(cat "$demo/secrets/pgsql") PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-20} psql -h 127.0.0.1 -p "$proxy_port" -U stolon -XqAt -v ON_ERROR_STOP=1 postgres "$@"; }

# Waits for a state and shows that it waits. wait_for SECONDS "what" command...
wait_for() {
  local limit=$1 what=$2 began=$SECONDS shown=0
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $((SECONDS - began)) -ge "$limit" ]; then
      [ -t 1 ] && printf '\n'
      return 1
    fi
    if [ $((SECONDS - began)) -gt "$shown" ]; then
      shown=$((SECONDS - began))
      if [ -t 1 ]; then printf '\r  waiting for %s: %d s ' "$what" "$shown"
      elif [ $((shown % 5)) = 0 ]; then printf '  waiting for %s: %d s\n' "$what" "$shown"
      fi
    fi
    sleep 0.2
  done
  if [ -t 1 ]; then printf '\r\033[K'; fi
  say "  $what: done after $((SECONDS - began)) s"
}
