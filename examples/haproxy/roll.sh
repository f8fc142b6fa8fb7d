#!/bin/sh
# Restarts one instance after the other, and stops at the first that does not come up: roll.sh 9091 9092 9093
set -eu
for port in "$@"; do
  file="server-$port.pid"
  old=$(cat "$file")
  kill -HUP "$old"
  waited=0
  # The file names the new process once that accepts.
  while [ "$(cat "$file")" = "$old" ]; do
    [ "$waited" -lt 300 ] || { echo "port $port still runs pid $old" >&2; exit 1; }
    waited=$((waited + 1))
    sleep 0.1
  done
  echo "port $port: pid $old, now $(cat "$file")"
done
