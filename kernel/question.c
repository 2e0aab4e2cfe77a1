/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Questions of a context's threads and their answers: reads them from the kernel, and answers at once whatever needs no
 * lifting of a seal, which is nearly everything.
 */
#include "kernel/supervise.h"

#include <poll.h>
#include <sys/ioctl.h>

/* ---- questions that were read ------------------------------------------------------------------------------------ */

bool question_read(struct supervision *v, int timeout)
{
	struct questions *q = &v->questions;

	while (q->n < ARRAY_LEN(q->q)) {
		struct pollfd p[2] = {{.fd = v->listener, .events = POLLIN}, {.fd = v->init, .events = POLLIN}};
		struct seccomp_notif *to = &q->q[(q->first + q->n) % ARRAY_LEN(q->q)];

		if (poll(p, 2, timeout) < 0 && errno != EINTR)
			return false;
		if (p[1].revents || p[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			return false;
		if (!(p[0].revents & POLLIN))
			return true;
		memset(to, 0, sizeof(*to));
		if (ioctl(v->listener, SECCOMP_IOCTL_NOTIF_RECV, to) == 0)
			q->n++;
		else if (errno != ENOENT && errno != EINTR) /* ENOENT: the thread was killed before we looked */
			return false;
		if (timeout != 0)
			return true;
	}
	return true;
}

const struct seccomp_notif *question_take(struct supervision *v)
{
	struct questions *q = &v->questions;
	const struct seccomp_notif *first = &q->q[q->first];

	q->first = (q->first + 1) % ARRAY_LEN(q->q);
	q->n--;
	return first;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

pid_t question_tid(const struct question *t)
{
	return (pid_t)t->q.pid;
}

bool question_valid(const struct supervision *v, const struct question *t)
{
	uint64_t id = t->q.id;

	return ioctl(v->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void question_continue(const struct supervision *v, const struct question *t)
{
	struct seccomp_notif_resp a = {.id = t->q.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	ioctl(v->listener, SECCOMP_IOCTL_NOTIF_SEND, &a);
}

/* A thread that does not wait any more gets it when it asks again: one that was sent back; or, on kernels before 5.19,
 * one that a signal interrupted. (There, a handler that was set up without SA_RESTART makes the call fail with EINTR.)
 */
void question_answer(const struct supervision *v, const struct question *t, int status)
{
	struct seccomp_notif_resp a = {.id = t->q.id, .error = status};

	if (ioctl(v->listener, SECCOMP_IOCTL_NOTIF_SEND, &a) < 0 && t->birth)
		memo_put(&t->q, &t->call, t->birth, status);
}

/* ---- is it about a sealed file? ---------------------------------------------------------------------------------- */

/* What the administrator made immutable by hand has no second name in a store: it stays refused, and so does what is on
 * another mount than the tree. */
static bool shared_file(const struct supervision *v, const struct statx *stx)
{
	return S_ISREG(stx->stx_mode) && stx->stx_nlink > 1 && stx->stx_mnt_id == v->tree_mount;
}

static bool immutable(const struct supervision *v, const struct statx *stx)
{
	return shared_file(v, stx) && (stx->stx_attributes & STATX_ATTR_IMMUTABLE);
}

static bool concerns_seal(const struct supervision *v, const struct question *t)
{
	const struct call *c = &t->call;
	bool edit = c->kind >= CALL_OPEN;
	struct statx stx;

	for (unsigned i = 0; i < (c->kind == CALL_RENAME ? 2 : 1); i++) {
		if (!*c->path[i] && !(c->kind == CALL_LINK && c->flags & AT_EMPTY_PATH))
			continue;
		if (caller_statx(question_tid(t), c->dir[i], c->path[i], i == 0 && c->follow, &stx) < 0)
			continue;
		/* The other seal, too, has an attribute that shows here; which of the two it is, is looked at later. */
		if (immutable(v, &stx) || (edit && shared_file(v, &stx) && stx.stx_attributes & STATX_ATTR_NODUMP))
			return true;
	}
	return false;
}

bool question_sealed(const struct supervision *v, int fd, bool firmly)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0 || !shared_file(v, &stx))
		return false;
	return immutable(v, &stx) || (!firmly && seal_marked(fd, "", &stx));
}

static bool read_paths(struct question *t)
{
	struct call *c = &t->call;

	for (unsigned i = 0; i < c->n; i++)
		if (caller_string(question_tid(t), c->address[i], c->path[i]) < 0)
			return false;
	return c->kind != CALL_XATTR || caller_string(question_tid(t), c->value[0], c->path[1]) == 0;
}

bool question_at_once(struct supervision *v, struct question *t, const struct seccomp_notif *q)
{
	int status;

	t->q = *q;
	t->birth = 0;
	if (!call_decode(&t->q.data, &t->call) || !read_paths(t))
		question_continue(v, t);
	else if (memo_take(&t->q, &t->call, &t->birth, &status))
		question_answer(v, t, status);
	else if (caller_enter(question_tid(t)) < 0 || !concerns_seal(v, t))
		question_continue(v, t);
	else
		return false;
	return true;
}
