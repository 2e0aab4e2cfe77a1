/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What chbind.t does with sockets that no common program does: chbind_net WHAT PROTOCOL ADDRESS PORT [WORD…]
 *
 *	bind     binds (and listens, TCP); prints what getsockname says, or the error
 *	serve    answers each connection or datagram with "NAME peer A:P local A:P" until it is killed; prints "ready"
 *	ask      connects, or sends a datagram, and prints "from A:P: " and the answer, or the error
 *
 * PROTOCOL: tcp, udp, tcp6, udp6, ping, raw, mptcp, sctp. ADDRESS "-": none (listen or sendto without bind).
 * WORD: freebind, transparent, v6only, reuse, reuseport, connect (UDP), src=ADDRESS (binds before, asking), sport=PORT,
 * pktinfo=ADDRESS (as the source), device=NAME, again=N (asks N times), hold (bind: waits until it is killed),
 * name=NAME (of the server), mute (serve: answers nothing), broadcast, wait=MILLISECONDS, named (prints getpeername and
 * getsockname, too), first=ADDRESS:PORT (UDP: sends one there before).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static char **words;
static int family, type, protocol;

static const char *word(const char *name)
{
	size_t n = strlen(name);

	for (char **w = words; *w; w++)
		if (strncmp(*w, name, n) == 0 && ((*w)[n] == '\0' || (*w)[n] == '='))
			return (*w)[n] ? *w + n + 1 : *w;
	return NULL;
}

static int say(const char *what)
{
	printf("%s %s\n", what, strerrorname_np(errno));
	return 1;
}

static socklen_t address(const char *text, int port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		four->sin_port = htons((uint16_t)port);
		if (inet_pton(AF_INET, text, &four->sin_addr) != 1)
			exit(99);
		return sizeof(*four);
	}
	six->sin6_port = htons((uint16_t)port);
	if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
		exit(99);
	return sizeof(*six);
}

#define TEXT 100

/* Into buf, of TEXT bytes. */
static const char *text_of(const struct sockaddr_storage *a, socklen_t len, char *buf)
{
	char host[64], port[16];

	if (getnameinfo((const struct sockaddr *)a, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return "?";
	snprintf(buf, TEXT, a->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return buf;
}

static const char *name_of(int fd, bool peer, char *buf)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if ((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &len) < 0)
		return "?";
	return text_of(&a, len, buf);
}

static void set(int fd, int level, int option)
{
	int one = 1;

	if (setsockopt(fd, level, option, &one, sizeof(one)) < 0)
		exit(say("setsockopt"));
}

static int make(void)
{
	int fd = socket(family, type, protocol);
	const char *device = word("device");

	if (fd < 0)
		exit(say("socket"));
	if (word("freebind"))
		set(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, family == AF_INET ? IP_FREEBIND : 78);
	if (word("transparent"))
		set(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		    family == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT);
	if (word("v6only"))
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (word("reuse"))
		set(fd, SOL_SOCKET, SO_REUSEADDR);
	if (word("reuseport"))
		set(fd, SOL_SOCKET, SO_REUSEPORT);
	if (word("broadcast"))
		set(fd, SOL_SOCKET, SO_BROADCAST);
	if (device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device) + 1) < 0)
		exit(say("device"));
	return fd;
}

static int server(const char *where, int port)
{
	int fd = make();
	struct sockaddr_storage a;
	socklen_t len;

	if (strcmp(where, "-") != 0) {
		len = address(where, port, &a);
		if (bind(fd, (struct sockaddr *)&a, len) < 0)
			exit(say("bind"));
	}
	if (type == SOCK_STREAM && listen(fd, 100) < 0)
		exit(say("listen"));
	return fd;
}

static int do_bind(const char *where, int port)
{
	int fd = server(where, port);
	char buf[TEXT];

	printf("bound %s\n", name_of(fd, false, buf));
	fflush(stdout);
	if (word("hold"))
		pause();
	return 0;
}

static int do_serve(const char *where, int port)
{
	int fd = server(where, port);
	const char *first = word("first"), *name = word("name") ? word("name") : "server";
	char buf[TEXT], a[TEXT], b[TEXT];

	if (first) { /* so that a socket without bind has a port */
		struct sockaddr_storage to;
		char *copy = strdup(first), *colon = strrchr(copy, ':');
		socklen_t len;

		*colon = '\0';
		len = address(copy, atoi(colon + 1), &to);
		sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len);
	}
	printf("ready %s\n", name_of(fd, false, buf));
	fflush(stdout);
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		char text[300];
		ssize_t n;

		if (type == SOCK_STREAM) {
			int c = accept(fd, (struct sockaddr *)&peer, &len);

			if (c < 0)
				return say("accept");
			n = snprintf(text, sizeof(text), "%s peer %s local %s\n", name, text_of(&peer, len, a),
				     name_of(c, false, b));
			if (write(c, text, (size_t)n) < 0)
				say("write");
			close(c);
		} else {
			n = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&peer, &len);
			if (n < 0)
				return say("recvfrom");
			printf("got %s\n", text_of(&peer, len, a));
			fflush(stdout);
			if (word("mute"))
				continue;
			n = snprintf(text, sizeof(text), "%s peer %s local %s\n", name, a, name_of(fd, false, b));
			if (sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&peer, len) < 0)
				say("sendto");
		}
	}
}

static ssize_t send_with_source(int fd, const struct sockaddr_storage *to, socklen_t len, const char *source)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = {0};
	struct iovec data = {"x", 1};
	struct msghdr m = {.msg_name = to ? (void *)to : NULL,
			   .msg_namelen = to ? len : 0,
			   .msg_iov = &data,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes};
	struct cmsghdr *c = &control.align;

	if (family == AF_INET) {
		struct in_pktinfo p = {0};

		inet_pton(AF_INET, source, &p.ipi_spec_dst);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(p));
		memcpy(CMSG_DATA(c), &p, sizeof(p));
		m.msg_controllen = CMSG_SPACE(sizeof(p));
	} else {
		struct in6_pktinfo p = {0};

		inet_pton(AF_INET6, source, &p.ipi6_addr);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(p));
		memcpy(CMSG_DATA(c), &p, sizeof(p));
		m.msg_controllen = CMSG_SPACE(sizeof(p));
	}
	return sendmsg(fd, &m, 0);
}

static int ask_once(const char *where, int port)
{
	const char *source = word("src"), *sport = word("sport"), *wait = word("wait"), *pktinfo = word("pktinfo");
	struct sockaddr_storage to, from;
	socklen_t len = sizeof(from);
	char text[300], buf[TEXT], more[TEXT];
	int fd = make();
	bool connects = type == SOCK_STREAM || word("connect");
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct icmphdr echo = {.type = ICMP_ECHO, .checksum = 0xfff7};
	const void *data = protocol == IPPROTO_ICMP ? (void *)&echo : "x";
	size_t size = protocol == IPPROTO_ICMP ? sizeof(echo) : 1;
	ssize_t n;

	if (source || sport) {
		len = address(source ? source : "0.0.0.0", sport ? atoi(sport) : 0, &from);
		if (bind(fd, (struct sockaddr *)&from, len) < 0)
			return say("bind");
	}
	len = address(where, port, &to);
	if (connects && connect(fd, (struct sockaddr *)&to, len) < 0)
		return say("connect");
	if (pktinfo)
		n = send_with_source(fd, connects ? NULL : &to, len, pktinfo);
	else if (type == SOCK_STREAM)
		n = 1;
	else
		n = connects ? send(fd, data, size, 0) : sendto(fd, data, size, 0, (struct sockaddr *)&to, len);
	if (n < 0)
		return say("send");
	if (poll(&p, 1, wait ? atoi(wait) : 8000) == 0) {
		puts("timeout");
		return 1;
	}
	len = sizeof(from);
	n = recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &len);
	if (n < 0)
		return say("recv");
	text[n] = '\0';
	if (protocol == IPPROTO_ICMP)
		snprintf(text, sizeof(text), "echo\n");
	if (type == SOCK_STREAM)
		printf("from %s: %s", name_of(fd, true, buf), text);
	else
		printf("from %s: %s", text_of(&from, len, buf), text);
	if (word("named"))
		printf("peer %s local %s\n", name_of(fd, true, buf), name_of(fd, false, more));
	close(fd);
	return 0;
}

static int do_ask(const char *where, int port)
{
	int times = word("again") ? atoi(word("again")) : 1, r = 0;

	while (times-- > 0 && r == 0)
		r = ask_once(where, port);
	return r;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} protocols[] = {
		{"tcp", AF_INET, SOCK_STREAM, 0},
		{"tcp6", AF_INET6, SOCK_STREAM, 0},
		{"udp", AF_INET, SOCK_DGRAM, 0},
		{"udp6", AF_INET6, SOCK_DGRAM, 0},
		{"ping", AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
		{"raw", AF_INET, SOCK_RAW, IPPROTO_ICMP},
		{"mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP},
		{"sctp", AF_INET, SOCK_STREAM, IPPROTO_SCTP},
	};

	if (argc < 5)
		return 99;
	signal(SIGPIPE, SIG_IGN);
	words = argv + 5;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(argv[2], protocols[i].name) == 0) {
			family = protocols[i].family;
			type = protocols[i].type;
			protocol = protocols[i].protocol;
		}
	if (!family)
		return 99;
	if (strcmp(argv[1], "bind") == 0)
		return do_bind(argv[3], atoi(argv[4]));
	if (strcmp(argv[1], "serve") == 0)
		return do_serve(argv[3], atoi(argv[4]));
	return strcmp(argv[1], "ask") == 0 ? do_ask(argv[3], atoi(argv[4])) : 99;
}
