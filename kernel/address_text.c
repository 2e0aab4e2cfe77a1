/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sets of addresses, from words and as words: IPROOT and --ip.
 */
#include "kernel/kernel.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "kernel/address.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct addr *a)
{
	return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

static void set_v4(struct addr *a, const void *ip)
{
	memcpy(a->ip, mapped, sizeof(mapped));
	memcpy(a->ip + sizeof(mapped), ip, 4);
}

const char *addr_text(const struct addr *a, char *buf)
{
	if (is_v4(a))
		inet_ntop(AF_INET, a->ip + sizeof(mapped), buf, ADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->ip, buf, ADDR_TEXT);
	return buf;
}

bool addr_refuses_udp(const struct addr_set *set)
{
	return set->n > 1 && !set->hears;
}

static bool ip_of(const char *text, struct addr *ret)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		set_v4(ret, &v4);
		return true;
	}
	return inet_pton(AF_INET6, text, ret->ip) == 1;
}

/* ---- what the host has ------------------------------------------------------------------------------------------- */

/* The address of one entry of getifaddrs, and its mask's length. */
static bool host_addr(const struct ifaddrs *i, struct addr *ret)
{
	const uint8_t *mask;
	size_t len;

	*ret = (struct addr){0};
	if (!i->ifa_addr || !i->ifa_netmask)
		return false;
	if (i->ifa_addr->sa_family == AF_INET) {
		set_v4(ret, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr);
		mask = (const uint8_t *)&((const struct sockaddr_in *)(const void *)i->ifa_netmask)->sin_addr;
		ret->prefix = 96;
		len = 4;
	} else if (i->ifa_addr->sa_family == AF_INET6) {
		memcpy(ret->ip, &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr, 16);
		mask = ((const struct sockaddr_in6 *)(const void *)i->ifa_netmask)->sin6_addr.s6_addr;
		len = 16;
	} else {
		return false;
	}
	for (size_t k = 0; k < len; k++)
		ret->prefix = (uint8_t)(ret->prefix + __builtin_popcount(mask[k]));
	return true;
}

/* What a lock cannot be given: nobody else may be reached there, or nothing can be bound. */
static const char *unfit(const struct addr *a)
{
	static const uint8_t loop6[8] = {
		ADDRESS_LOOP6_0 >> 24,       ADDRESS_LOOP6_0 >> 16 & 0xff, ADDRESS_LOOP6_0 >> 8 & 0xff,
		ADDRESS_LOOP6_0 & 0xff,      ADDRESS_LOOP6_1 >> 24,        ADDRESS_LOOP6_1 >> 16 & 0xff,
		ADDRESS_LOOP6_1 >> 8 & 0xff, ADDRESS_LOOP6_1 & 0xff,
	};
	uint32_t v4;

	memcpy(&v4, a->ip + sizeof(mapped), 4);
	v4 = ntohl(v4);
	if (is_v4(a)) {
		if (v4 >> 28 == 0xe)
			return "a multicast address";
		if (v4 == 0 || v4 == 0xffffffff)
			return "not the address of a machine";
		return (v4 & ADDRESS_LOOP4_MASK) == ADDRESS_LOOP4 ? "kept for contexts' own loopback" : NULL;
	}
	if (a->ip[0] == 0xff)
		return "a multicast address";
	if (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80)
		return "link-local, which contexts cannot be locked to";
	if (memcmp(a->ip, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0)
		return "not the address of a machine";
	return memcmp(a->ip, loop6, sizeof(loop6)) == 0 ? "kept for contexts' own loopback" : NULL;
}

static int append(struct addr_set *set, const struct addr *a, const char *word, struct err *e)
{
	const char *why = unfit(a);

	if (why)
		return err_set(e, -EINVAL, "%s: %s", word, why);
	for (size_t i = 0; i < set->n; i++)
		if (memcmp(set->a[i].ip, a->ip, sizeof(a->ip)) == 0)
			return 0;
	if (set->n == ADDR_MAX)
		return err_set(e, -E2BIG, "%s: a context can have %d addresses, and this is one more", word, ADDR_MAX);
	set->a[set->n++] = *a;
	return 0;
}

static uint32_t broadcast_of(const struct ifaddrs *i)
{
	if (!(i->ifa_flags & IFF_BROADCAST) || !i->ifa_broadaddr)
		return 0;
	return ((const struct sockaddr_in *)(const void *)i->ifa_broadaddr)->sin_addr.s_addr;
}

/* A device's first IPv4 address, else its first fit IPv6 one: by its name, or by an alias's (eth0:1). */
static const struct ifaddrs *first_of(const struct ifaddrs *list, const char *device, struct addr *ret)
{
	for (int family = AF_INET;; family = AF_INET6) {
		for (const struct ifaddrs *i = list; i; i = i->ifa_next)
			if (strcmp(i->ifa_name, device) == 0 && host_addr(i, ret) && i->ifa_addr->sa_family == family &&
			    !unfit(ret))
				return i;
		if (family == AF_INET6)
			return NULL;
	}
}

static int add_device(struct addr_set *set, const char *device, bool only_broadcast, struct err *e)
{
	struct ifaddrs *list = NULL;
	const struct ifaddrs *i;
	struct addr a;
	int r = 0;

	if (getifaddrs(&list) < 0)
		return err_sys(e, "the host's addresses");
	i = first_of(list, device, &a);
	if (!i)
		r = err_set(e, -ENODEV, "%s: neither an address nor a device that has one", device);
	else if (only_broadcast && !broadcast_of(i))
		r = err_set(e, -ENODEV, "%s: this device has no broadcast address", device);
	else if (!only_broadcast)
		r = append(set, &a, device, e);
	if (r == 0 && (only_broadcast || !set->broadcast))
		set->broadcast = broadcast_of(i);
	freeifaddrs(list);
	return r;
}

static int add_all(struct addr_set *set, struct err *e)
{
	struct ifaddrs *list = NULL;
	int r = 0;

	if (getifaddrs(&list) < 0)
		return err_sys(e, "the host's addresses");
	for (const struct ifaddrs *i = list; i && r == 0; i = i->ifa_next) {
		struct addr a;

		if (host_addr(i, &a) && !(i->ifa_flags & IFF_LOOPBACK) && !unfit(&a))
			r = append(set, &a, "ALL", e);
	}
	freeifaddrs(list);
	return r;
}

/* The length that the address has on the host, or a whole one. */
static void host_prefix(struct addr *a)
{
	struct ifaddrs *list = NULL;
	struct addr there;

	a->prefix = 128;
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (host_addr(i, &there) && memcmp(there.ip, a->ip, sizeof(a->ip)) == 0)
			a->prefix = there.prefix;
	freeifaddrs(list);
}

const struct addr *addr_missing(const struct addr_set *set)
{
	struct ifaddrs *list = NULL;
	const struct addr *missing = NULL;

	if (getifaddrs(&list) < 0)
		return NULL;
	for (size_t k = 0; k < set->n && !missing; k++) {
		missing = &set->a[k];
		for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
			struct addr there;

			if (host_addr(i, &there) && memcmp(there.ip, set->a[k].ip, sizeof(there.ip)) == 0)
				missing = NULL;
		}
	}
	freeifaddrs(list);
	return missing;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* "/24", "/64" or "/255.255.255.0", without the slash. */
static int parse_length(const char *text, struct addr *a, const char *word, struct err *e)
{
	unsigned most = is_v4(a) ? 32 : 128;
	struct in_addr mask;
	uint64_t length;

	if (text_uint(text, 0, most, &length) < 0) {
		if (!is_v4(a) || inet_pton(AF_INET, text, &mask) != 1)
			return err_set(e, -EINVAL, "%s: after the slash stands a length up to %u%s", word, most,
				       most == 32 ? ", or a mask such as 255.255.255.0" : "");
		length = (uint64_t)__builtin_popcount(mask.s_addr);
		if (length && ntohl(mask.s_addr) != 0xffffffffu << (32 - length))
			return err_set(e, -EINVAL, "%s: %s is no mask: its ones are not all in front", word, text);
	}
	a->prefix = (uint8_t)(length + 128 - most);
	return 0;
}

/* "IP", "[IP]", "DEVICE:IP" or "DEVICE:[IP]"; false when it is none of them. Modifies text. */
static bool parse_ip(char *text, struct addr *ret)
{
	size_t len = strlen(text);
	char *ip = text;

	for (;;) {
		size_t n = len - (size_t)(ip - text);
		bool in_brackets = n > 2 && ip[0] == '[' && ip[n - 1] == ']';

		if (in_brackets)
			ip[n - 1] = '\0';
		if (ip_of(ip + in_brackets, ret))
			break;
		if (in_brackets)
			ip[n - 1] = ']';
		ip = strchr(ip, ':');
		if (!ip++ || (size_t)(ip - text) > sizeof(ret->device))
			return false;
	}
	if (ip == text)
		return true;
	ip[-1] = '\0';
	if (!*text)
		return false;
	memcpy(ret->device, text, strlen(text) + 1);
	return true;
}

int addr_add(struct addr_set *set, const char *word, struct err *e)
{
	_cleanup_free_ char *text = xstrdup(word);
	char *slash = strchr(text, '/');
	struct addr a = {0};
	int r;

	for (const char *c = word; *c; c++)
		if (*c <= ' ' || *c > '~') {
			_cleanup_free_ char *shown = text_escape(word, strlen(word));

			return err_set(e, -EINVAL, "\"%s\": neither an address nor a device's name", shown);
		}
	if (slash)
		*slash++ = '\0';
	if (!*text)
		return err_set(e, -EINVAL, "\"%s\": an address or a device is missing", word);
	if (strcmp(word, "0.0.0.0") == 0)
		return 0;
	if (strcmp(word, "ALL") == 0)
		return add_all(set, e);
	if (parse_ip(text, &a)) {
		if (!slash) {
			host_prefix(&a);
			return append(set, &a, word, e);
		}
		r = parse_length(slash, &a, word, e);
		return r < 0 ? r : append(set, &a, word, e);
	}
	if (slash || strlen(word) >= IF_NAMESIZE || strpbrk(word, "[]"))
		return err_set(e, -EINVAL, "%s: not an address (write 192.0.2.1, 192.0.2.1/24 or 2001:db8::1)", word);
	return add_device(set, word, false, e);
}

int addr_add_broadcast(struct addr_set *set, const char *word, struct err *e)
{
	struct in_addr ip;
	int r = 0;

	if (inet_pton(AF_INET, word, &ip) != 1)
		r = add_device(set, word, true, e);
	else if (ip.s_addr == 0)
		return err_set(e, -EINVAL, "%s: no broadcast address", word);
	else
		set->broadcast = ip.s_addr;
	set->hears = set->hears || r == 0;
	return r;
}
