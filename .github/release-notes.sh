#!/bin/sh
# Prints what a changelog on stdin tells of the version $1, or ends with 1 if it tells nothing.
exec awk -v version="$1" '
  /^## / { on = $2 == version; if (on) print; next }
  on { print }
  on && NF { told = 1 }
  END { exit !told }
'
