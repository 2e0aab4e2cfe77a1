/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An HTTP server that misbehaves on demand: it serves the files of the sysroot's www/, and the first part of a path
 * says how.
 */
#pragma once

#include "tests/unit/sysroot.h"

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static int server_port;
static pid_t server_pid;

static inline void server_reply(int fd, const char *head, const char *body, size_t n)
{
	(void)!write(fd, head, strlen(head));
	(void)!write(fd, body, n);
}

/* The wanted mode and path and where to begin; logs them. Whether the request is conditional. */
static inline bool server_request(int fd, char mode[32], char path[512], size_t *ret_from)
{
	_cleanup_free_ char *log = xasprintf("%s/log", top_path);
	_cleanup_fclose_ FILE *f = fopen(log, "ae");
	char in[4096] = "", *range;
	bool conditional;
	size_t n = 0;
	ssize_t r;

	while (n < sizeof(in) - 1 && !strstr(in, "\r\n\r\n") && (r = read(fd, in + n, sizeof(in) - 1 - n)) > 0)
		n += (size_t)r;
	sscanf(in, "GET /%31[^/]/%511s", mode, path);
	range = strstr(in, "Range: bytes=");
	*ret_from = range ? strtoul(range + 13, NULL, 10) : 0;
	conditional = strstr(in, "If-Modified-Since");
	fprintf(f, "%s %s from %zu%s\n", mode, path, *ret_from, conditional ? " conditional" : "");
	return conditional;
}

/* Modes: ok knows when a file changed; norange begins anew; longer adds to the body; busy answers 503; dies gives the
 * first half and never more; hangs gives the first half and waits for the client's end. */
static inline void server_one(int fd)
{
	_cleanup_buf_ struct buf body = {0};
	_cleanup_free_ char *file = NULL, *head = NULL;
	char mode[32] = "", path[512] = "";
	size_t from, n;

	if (server_request(fd, mode, path, &from) && strcmp(mode, "ok") == 0) {
		server_reply(fd, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", "", 0);
		return;
	}
	if (strcmp(mode, "busy") == 0) {
		server_reply(fd, "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n", "", 0);
		return;
	}
	file = xasprintf("www/%s", path);
	if (path_read(top, file, 1 << 20, &body, NULL) < 0) {
		server_reply(fd, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n", "", 0);
		return;
	}
	if (from > body.len || strcmp(mode, "norange") == 0)
		from = 0;
	if (strcmp(mode, "longer") == 0)
		buf_adds(&body, "more");
	head = xasprintf("HTTP/1.1 %s\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%zu/%zu\r\n%s"
			 "Connection: close\r\n\r\n",
			 from ? "206 Partial" : "200 OK", body.len - from, from, body.len - 1, body.len,
			 strcmp(mode, "ok") == 0 ? "Last-Modified: Sat, 11 Jul 2020 10:16:37 GMT\r\n" : "");
	n = body.len - from;
	if (strcmp(mode, "dies") == 0 || strcmp(mode, "hangs") == 0)
		n = from ? 0 : n / 2;
	server_reply(fd, head, body.p + from, n);
	while (strcmp(mode, "hangs") == 0 && read(fd, mode + 8, 1) > 0)
		;
}

static inline void server_loop(int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(0);
		if (fork() == 0) {
			server_one(fd);
			_exit(0);
		}
		close(fd);
	}
}

static inline int server_setup(void **state)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	sysroot_setup(state);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	server_port = ntohs(a.sin_port);
	fflush(NULL);
	server_pid = fork();
	if (server_pid == 0)
		server_loop(listener);
	close(listener);
	return 0;
}

static inline int server_teardown(void **state)
{
	end_child(server_pid);
	return sysroot_teardown(state);
}

/* http://…/MODE, without a slash at the end. The caller frees. */
static inline char *server_url(const char *mode)
{
	return xasprintf("http://127.0.0.1:%d/%s", server_port, mode);
}

/* How many lines of its log have this part: "MODE PATH from OFFSET[ conditional]". */
static inline size_t server_logged(const char *part)
{
	_cleanup_buf_ struct buf b = {0};
	size_t n = 0;

	if (path_read(top, "log", 1 << 20, &b, NULL) < 0)
		return 0;
	for (const char *p = b.p; (p = strstr(p, part)); p++)
		n++;
	return n;
}
