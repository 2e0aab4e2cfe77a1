/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One operation on sockets in a loop, in one thread and on the machine itself: address_ops OPERATION ADDRESS
 * MILLISECONDS prints how many nanoseconds it takes. For bench/addresses.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in server; /* where the loops' own server is */
static struct sockaddr_in any, udp;
static int listener, accepted, connected, udp_server, udp_connected, udp_free;

static void check(long r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	exit(1);
}

static int make(int type)
{
	int fd = socket(AF_INET, type, 0);

	check(fd, "socket");
	return fd;
}

static void prepare(const char *address)
{
	socklen_t len = sizeof(server);
	int one = 1;

	any.sin_family = AF_INET;
	server = any;
	if (inet_pton(AF_INET, address, &server.sin_addr) != 1)
		exit(99);
	udp = server;
	listener = make(SOCK_STREAM);
	check(bind(listener, (struct sockaddr *)&server, sizeof(server)), "bind");
	check(listen(listener, 16), "listen");
	check(getsockname(listener, (struct sockaddr *)&server, &len), "getsockname");
	connected = make(SOCK_STREAM);
	check(connect(connected, (struct sockaddr *)&server, sizeof(server)), "connect");
	accepted = accept(listener, NULL, NULL);
	check(accepted, "accept");
	setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	udp_server = make(SOCK_DGRAM);
	check(bind(udp_server, (struct sockaddr *)&udp, sizeof(udp)), "bind");
	check(getsockname(udp_server, (struct sockaddr *)&udp, &len), "getsockname");
	udp_connected = make(SOCK_DGRAM);
	check(connect(udp_connected, (struct sockaddr *)&udp, sizeof(udp)), "connect");
	udp_free = make(SOCK_DGRAM);
}

static void op_socket(void)
{
	close(make(SOCK_STREAM));
}

static void do_bind(int type, const struct sockaddr_in *to, unsigned short port)
{
	struct sockaddr_in a = *to;
	int fd = make(type);

	a.sin_port = htons(port);
	check(bind(fd, (const struct sockaddr *)&a, sizeof(a)), "bind");
	close(fd);
}

static void op_bind_udp(void)
{
	do_bind(SOCK_DGRAM, &server, 5353);
}

static void op_bind_any(void)
{
	do_bind(SOCK_DGRAM, &any, 5353);
}

static void op_bind_tcp(void)
{
	do_bind(SOCK_STREAM, &server, 8081);
}

static void op_bind_tcp_any(void)
{
	do_bind(SOCK_STREAM, &any, 8081);
}

static void op_connect_udp(void)
{
	int fd = make(SOCK_DGRAM);

	check(connect(fd, (struct sockaddr *)&server, sizeof(server)), "connect");
	close(fd);
}

/* connect and accept, and the packets of both ends */
static void op_connect(void)
{
	struct linger now = {1, 0};
	int fd = make(SOCK_STREAM), there;

	check(connect(fd, (struct sockaddr *)&server, sizeof(server)), "connect");
	there = accept(listener, NULL, NULL);
	check(there, "accept");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* leaves no TIME_WAIT */
	close(fd);
	close(there);
}

static void op_send_tcp(void)
{
	char c[64] = "x";

	check(write(connected, c, sizeof(c)), "write");
	check(read(accepted, c, sizeof(c)), "read");
}

static void op_stream(void)
{
	static char c[65536];

	check(write(connected, c, sizeof(c)), "write");
	for (size_t n = 0; n < sizeof(c);) {
		ssize_t r = read(accepted, c, sizeof(c));

		check(r, "read");
		n += (size_t)r;
	}
}

static void op_send_udp(void)
{
	char c[64] = "x";

	check(write(udp_connected, c, sizeof(c)), "write");
	check(read(udp_server, c, sizeof(c)), "read");
}

static void op_sendto(void)
{
	socklen_t len = sizeof(udp);
	struct sockaddr_in from;
	char c[64] = "x";

	check(sendto(udp_free, c, sizeof(c), 0, (struct sockaddr *)&udp, sizeof(udp)), "sendto");
	len = sizeof(from);
	check(recvfrom(udp_server, c, sizeof(c), 0, (struct sockaddr *)&from, &len), "recvfrom");
}

#define BATCH 8

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ops[] = {
		{"socket", op_socket},          {"bind-udp", op_bind_udp},         {"bind-udp-any", op_bind_any},
		{"bind-tcp", op_bind_tcp},      {"bind-tcp-any", op_bind_tcp_any}, {"connect-udp", op_connect_udp},
		{"connect-accept", op_connect}, {"send-tcp", op_send_tcp},         {"stream-tcp", op_stream},
		{"send-udp", op_send_udp},      {"sendto-udp", op_sendto},
	};
	int64_t end, from, took, best = INT64_MAX;

	if (argc < 4)
		return 99;
	prepare(argv[2]);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(argv[1], ops[i].name) != 0)
			continue;
		/* The best of many short batches: the others were interrupted by something else. */
		for (end = now() + atoll(argv[3]) * 1000000; now() < end;) {
			from = now();
			for (int k = 0; k < BATCH; k++)
				ops[i].run();
			took = now() - from;
			best = took < best ? took : best;
		}
		printf("%.1f\n", (double)best / BATCH);
		return 0;
	}
	return 99;
}
