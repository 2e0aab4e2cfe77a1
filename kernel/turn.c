/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A supervisor's turn in the window, when seals are lifted and all contexts stand still: the actor does there what a
 * call wants, or a file's private copy takes its name.
 *
 * The thread that asked must be frozen with the others, which it is not while it waits for us. So it is told, once its
 * own context is being frozen, to repeat the call (ERESTARTNOINTR; no signal handler can turn that into an error), and
 * after the thaw the repeated call is answered with the result from memo.c. Nothing in here waits for another
 * supervisor while its own caller is not frozen: all of them can work at once without a deadlock.
 */
#include "kernel/supervise.h"

#include <time.h>

/* All contexts stand still while one guest's operation is done. So that none can hold up the others for long, each may
 * do that for a quarter of the time; and has a credit of some seconds, which an update of thousands of files does not use
 * up. What was overdrawn is waited for, but not longer than a second for each operation. */
#define CREDIT_US TURN_CREDIT_US
#define CREDIT_SHARE 4
#define WAIT_US 1000000
/* Some vserver's process may be busy in the kernel (a disk that takes seconds to write), and then nobody can be frozen
 * for good: so long it is tried, with longer and longer pauses in which all run, before the call fails. */
#define PATIENCE_US 60000000

int64_t turn_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void pause_us(int64_t us)
{
	if (us > 0)
		usleep(us < WAIT_US ? (useconds_t)us : WAIT_US);
}

/* No question has been read yet that would wait meanwhile, and those that wait unread can be frozen. */
static void pay(struct supervision *v, int64_t frozen_us)
{
	int64_t now = turn_clock();

	v->credit += (now - v->credited) / CREDIT_SHARE;
	if (v->credit > CREDIT_US)
		v->credit = CREDIT_US;
	v->credit -= frozen_us;
	if (v->credit < 0)
		pause_us(-v->credit * CREDIT_SHARE);
	v->credited = now;
}

static void reseal(int path)
{
	int fd = path < 0 ? -1 : path_reopen(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return;
	seal_set_firm(fd, NULL);
	close(fd);
}

/* The helper was killed. It may have left a file without its seal, and the actor in the middle. */
static void mend(struct supervision *v, const struct seal_op *op)
{
	if (!op)
		return;
	if (op->what != WINDOW_ACT) {
		reseal(op->dir[1]);
		return;
	}
	actor_end(&v->actor);
	reseal(op->file);
	reseal(op->dir[0]);
}

/* Sends the thread back, and executes the operation, if there is one, in a window. Its status; or, when no window could
 * be opened, WINDOW_CHANGED: the thread has been sent back to ask again, as with names that have changed; in the end
 * -EBUSY. */
static int in_window(struct supervision *v, const struct question *t, struct seal_op *op)
{
	struct window_park park = {.cgroup = v->s.cgroup, .listener = v->listener};
	int r;

	/* No thread that waits with us could be frozen. So all others are answered as far as that is possible, and sent
	 * back, too, as far as it is not. */
	question_read(v, 0);
	while (v->questions.n > 0) {
		static struct question other;
		const struct seccomp_notif *q = question_take(v);

		if (!question_at_once(v, &other, q))
			park.id[park.n++] = q->id;
	}
	caller_leave();
	park.id[park.n++] = t->q.id;
	r = window_act(&park, op, NULL);
	if (r == -EPIPE)
		mend(v, op);
	if (r < 0)
		window_undo(&park);
	pay(v, park.frozen_us);
	if (r == 0) {
		v->stuck = 0;
		return op ? op->status : 0;
	}
	if (v->stuck == 0)
		v->stuck = turn_clock();
	r = turn_clock() - v->stuck > PATIENCE_US ? -EBUSY : WINDOW_CHANGED;
	pause_us((turn_clock() - v->stuck) / 4);
	return r;
}

void turn_act(struct supervision *v, const struct question *t, const struct actor_answer *got)
{
	struct seal_op op = {.what = WINDOW_ACT,
			     .flags = (unsigned)v->actor.pid,
			     .file = got->victim[0],
			     .dir = {got->victim[1], v->actor.sock}};
	int status;

	for (int i = 0; i < 2; i++)
		if (got->victim[i] >= 0 && !question_sealed(v, got->victim[i], true)) {
			question_continue(v, t);
			return;
		}
	status = in_window(v, t, &op);
	if (status == -ETIMEDOUT || status == -EPIPE) {
		actor_end(&v->actor);
		status = -EIO;
	}
	/* The operation itself went well, but a process of the host wrote to the file while its seal was lifted. That
	 * is for vunify to find, which compares the store with what was once hashed. */
	if (status == -ESTALE)
		status = 0;
	if (status == -EAGAIN) /* somebody of the host's holds a lease */
		status = -EBUSY;
	/* Without an answer, the call is looked at from the beginning. */
	if (status != WINDOW_CHANGED)
		question_answer(v, t, status);
}

void turn_copy(struct supervision *v, const struct question *t, const struct cow *cow)
{
	struct seal_op op = {.what = WINDOW_REPLACE,
			     .flags = v->s.uid_base,
			     .file = cow->twin,
			     .dir = {cow->dir, cow->old},
			     .name = {cow->name}};
	int r;

	/* Copying takes its time. Nobody who waits for a freeze shall wait for that: the thread asks again, and its
	 * question is not read before we are done. */
	in_window(v, t, NULL);
	r = cow_fill(cow);
	if (r == 0)
		r = in_window(v, t, &op);
	/* With the private copy in its place, the repeated call simply goes on; and so does one of a thread that could
	 * not be sent back. */
	if (r < 0 && r != WINDOW_CHANGED)
		question_answer(v, t, r);
	else
		question_continue(v, t);
}
