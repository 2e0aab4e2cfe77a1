/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ends of a context that no command line reaches: time limits, output limits, interrupts. What runs inside is this
 * program itself, so that the tree can be an empty directory. As root only.
 */
#include "tests/unit/vserver_sandbox.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

struct inside {
	int held; /* write end of a pipe that everything inside keeps: end of file when all are gone */
	int (*work)(void);
};

static int run_inside(void *arg)
{
	const struct inside *in = arg;

	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			/* As a daemon does: another session, deaf to what can be ignored. */
			setsid();
			for (int s = 1; s < NSIG; s++)
				signal(s, SIG_IGN);
			for (;;)
				pause();
		}
	if (write(in->held, "x", 1) != 1)
		return 1;
	return in->work();
}

static int sleep_on(void)
{
	for (;;)
		pause();
	return 0;
}
static int end_at_once(void)
{
	return 7;
}
static int write_on(void)
{
	static const char much[4096];

	while (write(STDOUT_FILENO, much, sizeof(much)) > 0)
		;
	return 0;
}

/* Runs work in a context of an empty tree; checks that it began, and that nothing of it is left. */
static int call(int (*work)(void), const struct proc_io *io, struct err *e)
{
	_cleanup_free_ char *path = place("/vservers/empty");
	_cleanup_close_ int root = -1;
	int held[2], r;
	char text[2];

	sandbox_vserver("empty", "");
	close_fd(vs_home(NULL));
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	r = ctx_call(&(struct ctx_spec){.root = root, .uid_base = 0x6fff0000, .packages = -1}, run_inside,
		     &(struct inside){held[1], work}, &held[1], 1, io, e);
	close_fd(held[1]);
	if (r < 0 && r != -ETIMEDOUT && r != -EINTR && r != -EFBIG)
		fail_msg("%s", e->msg);
	assert_int_equal(poll(&(struct pollfd){.fd = held[0], .events = POLLIN}, 1, 30000), 1);
	assert_int_equal(read(held[0], text, sizeof(text)), 1);
	/* A daemon that lives would keep the pipe, and this would wait for ever. */
	assert_int_equal(poll(&(struct pollfd){.fd = held[0], .events = POLLIN}, 1, 30000), 1);
	assert_int_equal(read(held[0], text, sizeof(text)), 0);
	close_fd(held[0]);
	return r;
}

static void ends_with_its_command(void **state)
{
	_cleanup_err_ struct err e = {0};

	assert_int_equal(call(end_at_once, NULL, &e), 7);
	assert_null(e.msg);
}

static void time_limit_kills_all(void **state)
{
	_cleanup_err_ struct err e = {0};

	assert_int_equal(call(sleep_on, &(struct proc_io){.timeout = 1}, &e), -ETIMEDOUT);
	assert_non_null(e.msg);
}

static void output_limit_kills_all(void **state)
{
	_cleanup_err_ struct err e = {0};
	_cleanup_buf_ struct buf out = {0};

	assert_int_equal(call(write_on, &(struct proc_io){.out = &out, .out_max = 100000}, &e), -EFBIG);
	assert_true(out.len <= 100000);
}

static int say_and_sleep(void)
{
	return write(STDOUT_FILENO, "up\n", 3) == 3 ? sleep_on() : 1;
}

static void interrupt_us(const char *line, size_t len, bool is_err, void *arg)
{
	kill(getpid(), SIGTERM);
}

static void interrupt_kills_all(void **state)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		_cleanup_err_ struct err e = {0};

		intr_setup();
		_exit(call(say_and_sleep, &(struct proc_io){.line = interrupt_us}, &e) == -EINTR ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ends_with_its_command),
		T(time_limit_kills_all),
		T(output_limit_kills_all),
		T(interrupt_kills_all),
	};

	const char *missing = geteuid() != 0 ? "needs root" : sandbox_missing();

	return missing ? skip_all(missing) : cmocka_run_group_tests(tests, NULL, NULL);
}
