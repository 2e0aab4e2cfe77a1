# SPDX-License-Identifier: GPL-2.0-or-later
#
# The test web server (httpd.pl) from a script:
#
#	httpd_start DIR      serves DIR; sets $URL
#	httpd_rules LINE…    what goes wrong from now on; none: nothing. Forgets the log
#	httpd_saw REGEX      waits until a request matches; fails after 20 s
#	httpd_stop

httpd_start() {
	HTTPD=$TMP/httpd
	mkdir -p "$HTTPD"
	rm -f "$HTTPD/port"
	: >"$HTTPD/rules"
	perl "$TOP/tests/lib/httpd.pl" "$1" "$HTTPD" >"$HTTPD/stderr" 2>&1 </dev/null &
	HTTPD_PID=$!
	for _ in $(seq 100); do [ -s "$HTTPD/port" ] && break; sleep 0.05; done
	URL=http://127.0.0.1:$(cat "$HTTPD/port") || { cat "$HTTPD/stderr" >&2; return 1; }
}

httpd_rules() {
	: >"$HTTPD/log"
	printf '%s\n' "$@" >"$HTTPD/rules.new"
	mv "$HTTPD/rules.new" "$HTTPD/rules"
}

httpd_saw() {
	local _
	for _ in $(seq 200); do
		grep -qE "$1" "$HTTPD/log" && return
		sleep 0.1
	done
	return 1
}

httpd_stop() { kill "$HTTPD_PID" 2>/dev/null; wait "$HTTPD_PID" 2>/dev/null; }
