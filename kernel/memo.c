/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What became of a call whose thread was sent back before it could be told. After the thaw it repeats the system call,
 * with the same arguments from the same place in its program; then it gets this and nothing is done a second time.
 *
 * In between, a handler of a signal may run in that thread and make other calls: they are told apart by what they are.
 * Not by time: the thread may be stopped before it repeats. A signal may also come between the repeated call and our
 * reading it; if its handler was set up without SA_RESTART, the program is told EINTR of a call that was done, and when
 * it tries again, gets this.
 *
 * What is never taken (the thread was killed, or did something else instead) is overwritten in the end, and given only
 * to the very thread that it was meant for.
 */
#include "kernel/supervise.h"

#define MEMOS 64

struct memo {
	pid_t tid;               /* 0: free */
	uint64_t birth, program; /* where in its program it calls */
	uint64_t call;           /* a hash of all that it asks for */
	int status;
};
static struct memo memos[MEMOS];
static unsigned used, next;

/* FNV-1a */
static uint64_t hash(uint64_t h, const void *data, size_t n)
{
	for (const unsigned char *p = data; n > 0; n--)
		h = (h ^ *p++) * 0x100000001b3;
	return h;
}

/* Registers that are no arguments of the call are left out: a program that was told EINTR and tries again may have
 * others in them. */
static uint64_t hash_call(const struct call *c)
{
	uint64_t h = 0xcbf29ce484222325;

	h = hash(h, &c->kind, sizeof(c->kind));
	h = hash(h, &c->flags, sizeof(c->flags));
	h = hash(h, c->dir, sizeof(c->dir));
	h = hash(h, c->address, sizeof(c->address));
	h = hash(h, c->value, sizeof(c->value));
	h = hash(h, c->path[0], strlen(c->path[0]) + 1);
	return hash(h, c->path[1], strlen(c->path[1]) + 1);
}

void memo_put(const struct seccomp_notif *q, const struct call *c, uint64_t birth, int status)
{
	struct memo *m;

	for (unsigned i = 0; i < MEMOS && memos[next].tid; i++)
		next = (next + 1) % MEMOS;
	m = &memos[next];
	next = (next + 1) % MEMOS;
	used += m->tid == 0;
	*m = (struct memo){(pid_t)q->pid, birth, q->data.instruction_pointer, hash_call(c), status};
}

bool memo_take(const struct seccomp_notif *q, const struct call *c, uint64_t *ret_birth, int *ret_status)
{
	for (unsigned i = 0; used > 0 && i < MEMOS; i++) {
		struct memo *m = &memos[i];

		if (m->tid != (pid_t)q->pid || m->program != q->data.instruction_pointer || m->call != hash_call(c) ||
		    m->birth != caller_birth((pid_t)q->pid))
			continue;
		*ret_status = m->status;
		*ret_birth = m->birth;
		m->tid = 0;
		used--;
		return true;
	}
	return false;
}
