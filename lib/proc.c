/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Child processes: starting a host program with nothing of ours in it, and serving any child until its end.
 */
#include "lib/lib.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define LINE_MAX_BYTES 65536
#define OUT_MAX_DEFAULT (64u << 20)

/* One output stream of the child on its way to line(), out or a descriptor. */
struct stream {
	int fd;
	bool is_err;
	struct buf line;
};

struct attend {
	const struct proc_io *io;
	struct stream streams[2];
	int in_w;
	struct buf in_pending;
	bool in_end;
	int failure; /* -ETIMEDOUT, -EINTR, -EFBIG: why we killed it */
};

static void hand_line(struct attend *a, struct stream *s)
{
	if (a->io->line)
		a->io->line(s->line.p, s->line.len, s->is_err, a->io->arg);
	s->line.len = 0;
}

static void relay(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
			continue;
		}
		if (w < 0 && errno != EINTR)
			return; /* our reader is gone: the child need not know */
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
}

static void consume(struct attend *a, struct stream *s, const char *p, size_t n)
{
	int fd = s->is_err ? a->io->err_fd : a->io->out_fd;

	if (!s->is_err && a->io->out) {
		size_t max = a->io->out_max ? a->io->out_max : OUT_MAX_DEFAULT;

		if (a->io->out->len + n > max)
			a->failure = -EFBIG;
		else
			buf_add(a->io->out, p, n);
		return;
	}
	if (fd > 0) {
		relay(fd, p, n);
		return;
	}
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t part = nl ? (size_t)(nl - p) : n;

		buf_add(&s->line, p, part);
		if (nl || s->line.len > LINE_MAX_BYTES)
			hand_line(a, s);
		p += part + (nl != NULL);
		n -= part + (nl != NULL);
	}
}

/* Reads what is there. Closes the stream at its end. Returns whether anything came. */
static bool pull(struct attend *a, struct stream *s)
{
	char chunk[16384];
	ssize_t n = read(s->fd, chunk, sizeof(chunk));

	if (n > 0) {
		consume(a, s, chunk, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		if (s->line.len)
			hand_line(a, s);
		s->fd = close_fd(s->fd);
	}
	return false;
}

static void feed_in(struct attend *a, short revents)
{
	char chunk[16384];
	ssize_t n;

	if (a->in_pending.len == 0 && !a->in_end) {
		n = read(a->io->in_fd, chunk, sizeof(chunk));
		if (n > 0)
			buf_add(&a->in_pending, chunk, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			a->in_end = true;
	}
	if (a->in_pending.len) {
		n = write(a->in_w, a->in_pending.p, a->in_pending.len);
		if (n > 0) {
			a->in_pending.len -= (size_t)n;
			memmove(a->in_pending.p, a->in_pending.p + n, a->in_pending.len);
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			a->in_end = true;
			a->in_pending.len = 0;
		}
	}
	if ((a->in_end && a->in_pending.len == 0) || revents & (POLLERR | POLLNVAL))
		a->in_w = close_fd(a->in_w);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void nonblock(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

enum { AT_PID, AT_OUT, AT_ERR, AT_IN, AT_INTR, AT_COUNT };

/* One round: waits for something to do and does it. Returns true when the child has ended. */
static bool attend_once(struct attend *a, pid_t pid, int pidfd, int64_t deadline)
{
	struct pollfd p[AT_COUNT] = {
		[AT_PID] = {.fd = pidfd, .events = POLLIN},
		[AT_OUT] = {.fd = a->streams[0].fd, .events = POLLIN},
		[AT_ERR] = {.fd = a->streams[1].fd, .events = POLLIN},
		[AT_IN] = {.fd = -1},
		[AT_INTR] = {.fd = a->failure || a->io->keep_on_intr ? -1 : intr_fd(), .events = POLLIN},
	};
	int64_t left = deadline ? deadline - now_ms() : -1;
	int before = a->failure;

	if (a->in_w >= 0)
		p[AT_IN] = a->in_pending.len || a->in_end ? (struct pollfd){.fd = a->in_w, .events = POLLOUT}
							  : (struct pollfd){.fd = a->io->in_fd, .events = POLLIN};
	if (poll(p, AT_COUNT, deadline ? (left > 0 ? (int)(left < 1 << 30 ? left : 1 << 30) : 0) : -1) < 0)
		return false;
	if (p[AT_IN].revents)
		feed_in(a, p[AT_IN].revents);
	for (int i = 0; i < 2; i++)
		if (p[AT_OUT + i].revents)
			pull(a, &a->streams[i]);
	if (p[AT_INTR].revents)
		a->failure = -EINTR;
	if (deadline && !a->failure && now_ms() >= deadline)
		a->failure = -ETIMEDOUT;
	if (a->failure && !before)
		kill(pid, SIGKILL);
	return p[AT_PID].revents & POLLIN;
}

int proc_attend(pid_t pid, int in_w, int out_r, int err_r, const struct proc_io *io, const char *what, struct err *e)
{
	static const struct proc_io none = {0};
	struct attend a = {
		.io = io ? io : &none, .streams = {{.fd = out_r}, {.fd = err_r, .is_err = true}}, .in_w = in_w};
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int64_t deadline = a.io->timeout ? now_ms() + 1000 * (int64_t)a.io->timeout : 0;
	int status = 0;

	if (a.io->in_fd <= 0)
		a.in_w = close_fd(a.in_w);
	if (pidfd < 0) {
		/* Out of descriptors: it cannot be watched, so it must not go on. */
		a.failure = -errno;
		kill(pid, SIGKILL);
	}
	nonblock(a.in_w);
	nonblock(out_r);
	nonblock(err_r);
	while (pidfd >= 0 && !attend_once(&a, pid, pidfd, deadline && !a.failure ? deadline : 0))
		;
	for (int i = 0; i < 2; i++) {
		while (a.streams[i].fd >= 0 && pull(&a, &a.streams[i]))
			;
		if (a.streams[i].line.len)
			hand_line(&a, &a.streams[i]);
		close_fd(a.streams[i].fd);
		buf_free(&a.streams[i].line);
	}
	close_fd(a.in_w);
	buf_free(&a.in_pending);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	switch (a.failure) {
	case -ETIMEDOUT:
		return err_set(e, -ETIMEDOUT, "%s: ended after its time limit of %u s", what, a.io->timeout);
	case -EINTR:
		return err_set(e, -EINTR, "%s: interrupted", what);
	case -EFBIG:
		return err_set(e, -EFBIG, "%s: more output than is accepted", what);
	case 0:
		break;
	default:
		return err_set(e, a.failure, "%s: cannot be watched: %s", what, strerror(-a.failure));
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Closes everything above stderr but the listed descriptors, which the program is to have, and `extra`, which it is
 * not. */
static void close_others(const int *keep, size_t n_keep, int extra)
{
	_cleanup_free_ int *all = xcalloc(n_keep + 1, sizeof(int));

	for (size_t i = 0; i < n_keep; i++) {
		all[i] = keep[i];
		fcntl(keep[i], F_SETFD, 0);
	}
	all[n_keep] = extra;
	close_all_but(all, n_keep + 1);
}

static const char *find_program(const char *name, char *out, size_t size)
{
	static const char *const dirs[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};

	if (strchr(name, '/'))
		return name;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		snprintf(out, size, "%s/%s", dirs[i], name);
		if (access(out, X_OK) == 0)
			return out;
	}
	return NULL;
}

static void child(const char *file, const char *const *argv, const char *const *env, const int *keep, size_t n_keep,
		  const int fds[3], int report)
{
	struct strv environment = {0};
	sigset_t none;
	int n;

	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(127);
	close_others(keep, n_keep, report);
	strv_add(&environment, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	strv_add(&environment, "LC_ALL=C.UTF-8");
	strv_add(&environment, "HOME=/nonexistent");
	for (; env && *env; env++)
		strv_add(&environment, *env);
	execve(file, (char *const *)argv, environment.v);
	n = errno;
	n = (int)write(report, &n, sizeof(n));
	_exit(127);
}

/* Three pipes; [i][0] is read, [i][1] written. */
static int make_pipes(int p[3][2], struct err *e)
{
	for (int i = 0; i < 3; i++)
		p[i][0] = p[i][1] = -1;
	for (int i = 0; i < 3; i++)
		if (pipe2(p[i], O_CLOEXEC) < 0)
			return err_sys(e, "pipe");
	return 0;
}

int proc_run(const char *const *argv, const char *const *env, const int *keep, size_t n_keep, const struct proc_io *io,
	     struct err *e)
{
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	bool feed = io && io->in_fd > 0;
	int p[3][2], report[2] = {-1, -1}, in[2] = {-1, -1}, failed = 0, r;
	char path[4096];
	const char *file = find_program(argv[0], path, sizeof(path));
	pid_t pid;

	if (!file)
		return err_set(e, -ENOENT, "%s: not found; install the package that holds it", argv[0]);
	if (feed && pipe2(in, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	r = make_pipes(p, e);
	pid = r < 0 ? -1 : fork();
	if (pid == 0)
		child(file, argv, env, keep, n_keep, (int[]){feed ? in[0] : null, p[0][1], p[1][1]}, p[2][1]);
	if (r == 0 && pid < 0)
		r = err_sys(e, "%s: fork", argv[0]);
	close_fd(in[0]);
	for (int i = 0; i < 3; i++)
		close_fd(p[i][1]);
	report[0] = p[2][0];
	if (pid < 0) {
		close_fd(p[0][0]);
		close_fd(p[1][0]);
		close_fd(report[0]);
		close_fd(in[1]);
		return r;
	}
	if (read(report[0], &failed, sizeof(failed)) != sizeof(failed))
		failed = 0;
	close_fd(report[0]);
	r = proc_attend(pid, in[1], p[0][0], p[1][0], io, argv[0], e);
	if (failed) {
		errno = failed;
		return err_sys(e, "%s", file);
	}
	return r;
}
