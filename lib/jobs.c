/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Work side by side: one process a piece, its lines and its result collected by the one that started them.
 */
#include "lib/lib.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { S_OUT, S_ERR, S_RESULT, S_COUNT };

struct job {
	pid_t pid;
	int pidfd;
	int fd[S_COUNT];
	struct buf data[S_COUNT]; /* an unfinished line each; the result whole */
};

static void emit_lines(const struct jobs *j, size_t i, struct buf *b, bool is_err, bool end)
{
	size_t start = 0;

	for (size_t at = 0; at < b->len; at++)
		if (b->p[at] == '\n') {
			b->p[at] = 0;
			j->line(i, b->p + start, at - start, is_err, j->arg);
			start = at + 1;
		}
	if (start < b->len && (end || b->len - start > 65536)) {
		j->line(i, b->p + start, b->len - start, is_err, j->arg);
		start = b->len;
	}
	if (start) {
		memmove(b->p, b->p + start, b->len - start);
		b->len -= start;
	}
}

static bool pull(const struct jobs *j, size_t i, struct job *job, int s)
{
	char chunk[16384];
	ssize_t n = read(job->fd[s], chunk, sizeof(chunk));

	if (n > 0)
		buf_add(&job->data[s], chunk, (size_t)n);
	if (s != S_RESULT && j->line && job->data[s].len)
		emit_lines(j, i, &job->data[s], s == S_ERR, n == 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		job->fd[s] = close_fd(job->fd[s]);
	return n > 0;
}

static int start(const struct jobs *j, size_t i, struct job *job, struct err *e)
{
	int p[S_COUNT][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	pid_t parent = getpid();
	bool open = true;

	for (int s = 0; open && s < S_COUNT; s++)
		open = pipe2(p[s], O_CLOEXEC) == 0;
	fflush(NULL);
	job->pid = open ? fork() : -1;
	if (job->pid < 0) {
		err_sys(e, "a process for a job");
		job->pid = 0;
		for (int s = 0; s < S_COUNT; s++) {
			close_fd(p[s][0]);
			close_fd(p[s][1]);
		}
		return e ? e->status : -EAGAIN;
	}
	if (job->pid == 0) {
		/* A group of its own: the terminal's Ctrl-C reaches us, and we tell each child once. Should we
		 * be killed, the kernel tells it. */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			raise(SIGTERM); /* it was killed before that was ordered */
		dup2(p[S_OUT][1], STDOUT_FILENO);
		dup2(p[S_ERR][1], STDERR_FILENO);
		setvbuf(stdout, NULL, _IOLBF, 0);
		exit(j->run(i, p[S_RESULT][1], j->arg));
	}
	job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
	for (int s = 0; s < S_COUNT; s++) {
		close_fd(p[s][1]);
		job->fd[s] = p[s][0];
		fcntl(job->fd[s], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static void finish(const struct jobs *j, size_t i, struct job *job)
{
	int status = 0;

	for (int s = 0; s < S_COUNT; s++) {
		while (job->fd[s] >= 0 && pull(j, i, job, s))
			;
		if (s != S_RESULT && j->line)
			emit_lines(j, i, &job->data[s], s == S_ERR, true);
		job->fd[s] = close_fd(job->fd[s]);
	}
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	job->pidfd = close_fd(job->pidfd);
	buf_add(&job->data[S_RESULT], "", 0);
	j->done(i, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), job->data[S_RESULT].p,
		job->data[S_RESULT].len, j->arg);
	for (int s = 0; s < S_COUNT; s++)
		buf_free(&job->data[s]);
	job->pid = 0;
}

/* Waits for and handles whatever the running children have. Returns how many ended. */
static size_t serve(const struct jobs *j, struct job *jobs, size_t from, size_t to, bool *stopping)
{
	size_t n = (to - from) * (S_COUNT + 1) + 1, k = 0, ended = 0;
	_cleanup_free_ struct pollfd *p = xcalloc(n, sizeof(*p));

	for (size_t i = from; i < to; i++) {
		bool live = jobs[i].pid > 0;

		p[k++] = (struct pollfd){.fd = live ? jobs[i].pidfd : -1, .events = POLLIN};
		for (int s = 0; s < S_COUNT; s++)
			p[k++] = (struct pollfd){.fd = live ? jobs[i].fd[s] : -1, .events = POLLIN};
	}
	p[k] = (struct pollfd){.fd = *stopping ? -1 : intr_fd(), .events = POLLIN};
	if (poll(p, n, -1) < 0)
		return 0;
	if (p[k].revents) {
		*stopping = true;
		for (size_t i = from; i < to; i++)
			if (jobs[i].pid > 0)
				kill(jobs[i].pid, SIGTERM);
	}
	for (size_t i = from; i < to; i++) {
		const struct pollfd *q = &p[(i - from) * (S_COUNT + 1)];

		for (int s = 0; s < S_COUNT; s++)
			if (q[1 + s].revents)
				pull(j, i, &jobs[i], s);
		if (q[0].revents) {
			finish(j, i, &jobs[i]);
			ended++;
		}
	}
	return ended;
}

int jobs_run(const struct jobs *j, struct err *e)
{
	_cleanup_free_ struct job *jobs = xcalloc(j->n, sizeof(*jobs));
	size_t next = 0, first = 0, running = 0, width = j->width ? j->width : 1;
	bool stopping = intr_pending();
	int r = 0;

	while (next < j->n || running) {
		while (r == 0 && !stopping && running < width && next < j->n) {
			r = start(j, next, &jobs[next], e);
			if (r == 0) {
				running++;
				next++;
			}
		}
		if (!running)
			break;
		while (first < next && jobs[first].pid == 0)
			first++;
		running -= serve(j, jobs, first, next, &stopping);
	}
	for (; next < j->n; next++)
		j->done(next, r < 0 ? r : -EINTR, "", 0, j->arg);
	return r;
}
