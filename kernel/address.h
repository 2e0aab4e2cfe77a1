/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the programs of address.bpf.c and address.c share: the locks, which cgroup has which, and the marks on sockets.
 * Addresses are 16 bytes in network order everywhere, IPv4 as ::ffff:a.b.c.d.
 */
#pragma once

#include <linux/types.h>

#define ADDRESS_LAYOUT 1
#define ADDRESS_MAX 16
#define ADDRESS_LOCKS 4096 /* slots; 0 stands for no lock */
#define ADDRESS_CGROUPS 8192
#define ADDRESS_LISTENERS 16384

/* A lock's id: its slot, and above that another number for each lock that has the slot in turn. */
#define ADDRESS_SLOT(id) ((id) & (ADDRESS_LOCKS - 1))
#define ADDRESS_NEXT_ID(id) ((id) + ADDRESS_LOCKS >= ADDRESS_LOCKS ? (id) + ADDRESS_LOCKS : (id) + 2 * ADDRESS_LOCKS)

/* The loopback network of the lock in slot N, which its processes see as 127.0.0.0/8 and ::1: 127.(240 + N / 256).(N %
 * 256).0/24, where every machine has it, and fd76:7365:7276:7665::N, which address.c adds to lo. In host order. */
#define ADDRESS_LOOP4 0x7ff00000u
#define ADDRESS_LOOP4_MASK 0xfff00000u
#define ADDRESS_LOOP6_0 0xfd767365u
#define ADDRESS_LOOP6_1 0x72767665u

struct address_ip {
	__u32 w[4];
};
struct address_net {
	struct address_ip ip, mask;
};

enum {
	ADDRESS_LOOP6 = 1,       /* lo has the lock's own fd76:… */
	ADDRESS_BROADCASTS = 2,  /* UDP sockets on 0.0.0.0 stay so, to hear broadcasts */
	ADDRESS_GUEST = 4,       /* root of the user namespace that the context has may bind ports below 1024 */
	ADDRESS_HOST_LOOP4 = 8,  /* the set has the host's own 127.x.y.z: the lock has no other */
	ADDRESS_HOST_LOOP6 = 16, /* the same, ::1 */
	ADDRESS_SHARED = 32,     /* others with the same set have this lock, too */
	ADDRESS_RAW = 64, /* raw and ping sockets can be made: the cgroups have the filter of address_raw.bpf.c */
};

/* One set of addresses. Its IPv4 addresses come first. */
struct address_lock {
	__u32 id;
	__u32 owner; /* the id of the lock whose loopback it has: its own, or that of the one that it narrows */
	__u32 flags;
	__u32 n4, n;     /* IPv4 addresses, all addresses */
	__u32 broadcast; /* network order; 0: none */
	__u32 refused;   /* the last port at which a UDP server on a wildcard was refused */
	__u32 pad;
	struct address_net net[ADDRESS_MAX];
};

/* A cgroup below /vserver. The deepest one with a slot decides. */
struct address_cgroup {
	__u32 slot;  /* 0: as the one above */
	__u32 below; /* some cgroup below this one may have a slot of its own */
};

enum {
	ADDRESS_ANY = 1,    /* bound to a wildcard address, which getsockname shows */
	ADDRESS_HIDDEN = 2, /* bound to another port than the one asked for, since a wildcard listener outside has it */
	ADDRESS_LOOPED = 4, /* connected to 127.0.0.1 or ::1, but in fact to an address of the lock */
	ADDRESS_AT_4 = 8,   /* with ADDRESS_ANY: reached at the lock's IPv4 addresses */
	ADDRESS_AT_6 = 16,  /* the same, IPv6 */
};
/* On sockets whose own state does not say what was asked for. */
struct address_mark {
	__u32 id, owner; /* of the lock */
	__u32 flags;
	__u32 port; /* the one asked for; host order */
};

/* Where a TCP listener is reached although it is bound elsewhere. A wildcard's own loopback has another form than any
 * address, so that one that is bound to loopback itself is found first: 127.x.y.0, and fd76:…:0:1:0:N. */
struct address_end {
	struct address_ip ip;
	__u32 port; /* host order */
};
