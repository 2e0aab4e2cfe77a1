/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The IPv6 loopback addresses of locks. IPv4 has 127.0.0.0/8 on every machine; of IPv6 there is ::1 alone, so each lock
 * gets an address of its own on lo, deprecated, so that nothing ever chooses it as a source.
 */
#include "kernel/address_lock.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct in6_addr address_of(uint32_t slot)
{
	uint32_t w[4] = {htonl(ADDRESS_LOOP6_0), htonl(ADDRESS_LOOP6_1), 0, htonl(slot)};
	struct in6_addr a;

	memcpy(&a, w, sizeof(a));
	return a;
}

struct request {
	struct nlmsghdr head;
	struct ifaddrmsg body;
	char attributes[96];
};

static void put(struct request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)(void *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + (uint32_t)RTA_SPACE(len);
}

/* 0 or -errno as the kernel answers. */
static int ask(struct request *r)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} answer;
	ssize_t n;

	if (fd < 0 || send(fd, r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) || answer.head.nlmsg_type != NLMSG_ERROR)
		return n < 0 ? -errno : -EPROTO;
	return answer.error.error;
}

static int change(unsigned short type, uint32_t slot)
{
	struct request r = {
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(r.body)),
			 .nlmsg_type = type,
			 .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK |
						   (type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0))},
		.body = {.ifa_family = AF_INET6, .ifa_prefixlen = 128, .ifa_index = if_nametoindex("lo")},
	};
	const struct ifa_cacheinfo forever = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
	const uint32_t flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE;
	struct in6_addr a = address_of(slot);

	put(&r, IFA_LOCAL, &a, sizeof(a));
	put(&r, IFA_ADDRESS, &a, sizeof(a));
	put(&r, IFA_CACHEINFO, &forever, sizeof(forever));
	put(&r, IFA_FLAGS, &flags, sizeof(flags));
	return ask(&r);
}

bool address_loop_add(uint32_t slot)
{
	return change(RTM_NEWADDR, slot) == 0;
}

void address_loop_sweep(const bool *used)
{
	struct in6_addr first = address_of(0);
	struct ifaddrs *list = NULL;
	uint32_t slot;

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)(const void *)i->ifa_addr;

		if (!sin6 || sin6->sin6_family != AF_INET6 || !(i->ifa_flags & IFF_LOOPBACK) ||
		    memcmp(&sin6->sin6_addr, &first, 12) != 0)
			continue;
		memcpy(&slot, sin6->sin6_addr.s6_addr + 12, 4);
		slot = ntohl(slot);
		if (slot >= ADDRESS_LOCKS || !used[slot])
			change(RTM_DELADDR, slot);
	}
	freeifaddrs(list);
}
