/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Host programs as children: exit codes, output, input, environment, descriptors, time limits, interrupts; and work
 * side by side.
 */
#include "tests/unit/must.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#define SH(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})

static void collect(const char *line, size_t len, bool is_err, void *arg)
{
	assert_int_equal(strlen(line), len);
	buf_addf(arg, "%c:%s\n", is_err ? 'e' : 'o', line);
}

static int run(const char *script, struct buf *out)
{
	return proc_run(SH(script), NULL, NULL, 0, &(struct proc_io){.line = collect, .arg = out}, NULL);
}

static void exit_codes_come_back(void **state)
{
	struct err e = {0};

	assert_int_equal(proc_run(SH("exit 0"), NULL, NULL, 0, NULL, &e), 0);
	assert_int_equal(proc_run(SH("exit 3"), NULL, NULL, 0, NULL, &e), 3);
	assert_int_equal(proc_run(SH("exit 255"), NULL, NULL, 0, NULL, &e), 255);
	assert_int_equal(proc_run(SH("kill -TERM $$"), NULL, NULL, 0, NULL, &e), 128 + SIGTERM);
	assert_null(e.msg);
}

static void missing_programs_are_named(void **state)
{
	struct err e = {0};

	assert_error(&e, proc_run((const char *const[]){"no-such-program", NULL}, NULL, NULL, 0, NULL, &e), -ENOENT,
		     "no-such-program: not found");
	assert_error(&e, proc_run((const char *const[]){"/no/such", NULL}, NULL, NULL, 0, NULL, &e), -ENOENT,
		     "/no/such");
	assert_error(&e, proc_run((const char *const[]){"/etc/passwd", NULL}, NULL, NULL, 0, NULL, &e), -EACCES,
		     "/etc/passwd");
}

static void lines_are_told_apart(void **state)
{
	_cleanup_buf_ struct buf out = {0};

	assert_int_equal(run("echo one; echo; printf 'no newline'", &out), 0);
	assert_string_equal(out.p, "o:one\no:\no:no newline\n");
	buf_free(&out);
	assert_int_equal(run("echo bad >&2; exit 2", &out), 2);
	assert_string_equal(out.p, "e:bad\n");
}

static void count_bytes(const char *line, size_t len, bool is_err, void *arg)
{
	*(size_t *)arg += len;
}

static void endless_lines_come_in_pieces(void **state)
{
	size_t n = 0;

	assert_int_equal(proc_run(SH("head -c 1000000 /dev/zero | tr '\\0' x"), NULL, NULL, 0,
				  &(struct proc_io){.line = count_bytes, .arg = &n}, NULL),
			 0);
	assert_int_equal(n, 1000000);
}

static void output_is_kept_whole_up_to_a_limit(void **state)
{
	_cleanup_buf_ struct buf out = {0};
	struct err e = {0};

	assert_int_equal(
		proc_run(SH("printf 'a\\nb'; printf c >&2"), NULL, NULL, 0, &(struct proc_io){.out = &out}, NULL), 0);
	assert_string_equal(out.p, "a\nb");
	assert_error(
		&e, proc_run(SH("cat /dev/zero"), NULL, NULL, 0, &(struct proc_io){.out = &out, .out_max = 100000}, &e),
		-EFBIG, "/bin/sh");
	assert_true(out.len <= 100000);
}

static void input_is_handed_on_or_empty(void **state)
{
	_cleanup_buf_ struct buf out = {0};
	char *path;
	int dir = temp_dir(&path), in;

	assert_int_equal(run("cat", &out), 0);
	assert_null(out.p);
	assert_int_equal(path_write(dir, "in", "first\nsecond\n", 13, 0600, NULL), 0);
	in = openat(dir, "in", O_RDONLY | O_CLOEXEC);
	assert_int_equal(proc_run((const char *const[]){"cat", NULL}, NULL, NULL, 0,
				  &(struct proc_io){.line = collect, .arg = &out, .in_fd = in}, NULL),
			 0);
	assert_string_equal(out.p, "o:first\no:second\n");
	/* A child that does not read its input neither hangs nor kills us (intr_setup ignores SIGPIPE for every
	 * program). */
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	assert_int_equal(proc_run(SH("exec <&-; exit 4"), NULL, NULL, 0, &(struct proc_io){.in_fd = in}, NULL), 4);
	signal(SIGPIPE, SIG_DFL);
	close(in);
	temp_gone(dir, path);
}

static void relayed_bytes_arrive_unchanged(void **state)
{
	char *path;
	int dir = temp_dir(&path), to = openat(dir, "to", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_buf_ struct buf got = {0};

	assert_int_equal(proc_run(SH("printf 'a\\0b\\n\\n'"), NULL, NULL, 0, &(struct proc_io){.out_fd = to}, NULL), 0);
	assert_int_equal(path_read(dir, "to", 100, &got, NULL), 0);
	assert_int_equal(got.len, 5);
	assert_memory_equal(got.p, "a\0b\n\n", 5);
	close(to);
	temp_gone(dir, path);
}

static void nothing_of_ours_is_inherited(void **state)
{
	_cleanup_buf_ struct buf out = {0};
	_cleanup_close_ int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int leaky = open("/dev/zero", O_RDONLY); /* not close-on-exec, as a library might leave it */
	_cleanup_free_ char *want = xasprintf("o:0\no:1\no:2\no:%d\n", kept);

	setenv("VPKG_TEST_LEAK", "1", 1);
	assert_int_equal(proc_run(SH("[ -z \"$VPKG_TEST_LEAK\" ] && [ \"$GIVEN\" = yes ] && [ \"$PATH\" = "
				     "/usr/sbin:/usr/bin:/sbin:/bin ]"),
				  (const char *const[]){"GIVEN=yes", NULL}, NULL, 0, NULL, NULL),
			 0);
	/* A glob by the shell itself opens the directory for a moment under a number of its own. */
	assert_int_equal(proc_run(SH("for f in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do [ ! -e /proc/$$/fd/$f ] || "
				     "echo $f; done"),
				  NULL, &kept, 1, &(struct proc_io){.line = collect, .arg = &out}, NULL),
			 0);
	assert_string_equal(out.p, want);
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
	unsetenv("VPKG_TEST_LEAK");
	close(leaky);
}

static void signals_are_as_a_program_expects_them(void **state)
{
	_cleanup_buf_ struct buf out = {0};
	unsigned long long blocked = ~0ull, ignored = ~0ull;
	sigset_t block, old;

	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &old);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(run("grep -E '^Sig(Blk|Ign)' /proc/self/status", &out), 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(sscanf(out.p, "o:SigBlk: %llx\no:SigIgn: %llx\n", &blocked, &ignored), 2);
	assert_true(blocked == 0);
	/* 32 and 33 are the C library's own: it lets nobody change them, whoever started us. */
	assert_true((ignored & ~(3ull << 31)) == 0);
}

static void time_limit_ends_it(void **state)
{
	struct err e = {0};

	assert_error(&e,
		     proc_run(SH("trap '' TERM; while :; do sleep 1; done"), NULL, NULL, 0,
			      &(struct proc_io){.timeout = 1}, &e),
		     -ETIMEDOUT, "time limit of 1 s");
}

static void orphans_that_hold_the_pipe_do_not_hold_us(void **state)
{
	_cleanup_buf_ struct buf out = {0};

	assert_int_equal(run("echo before; sleep 60 & echo $!", &out), 0);
	assert_true(strncmp(out.p, "o:before\no:", 11) == 0);
	kill(atoi(out.p + 11), SIGKILL);
}

/* ---- interrupts, in a process of its own because the handlers stay -------------------------------------------------
 */

static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int interrupted(void)
{
	_cleanup_err_ struct err e = {0};
	struct proc_io keep = {.keep_on_intr = true};
	int status;
	pid_t pid;

	intr_setup();
	if (intr_fd() < 0 || intr_pending() || intr_check(&e) != 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		raise(SIGTERM);
		_exit(intr_pending() ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	if (status != 0 || intr_pending()) /* the child's signal is the child's alone */
		return 2;
	raise(SIGINT);
	raise(SIGINT);
	if (!intr_pending() || intr_check(&e) != -EINTR || strcmp(e.msg, "interrupted") != 0)
		return 3;
	if (proc_run(SH("sleep 60"), NULL, NULL, 0, NULL, &e) != -EINTR)
		return 4;
	if (proc_run(SH("exit 5"), NULL, NULL, 0, &keep, &e) != 5)
		return 5;
	return 0;
}

static void interrupts_end_children_but_not_undo(void **state)
{
	assert_int_equal(in_child(interrupted), 0);
}

/* ---- jobs ----------------------------------------------------------------------------------------------------------
 */

struct seen {
	struct buf lines;
	int status[6];
	char result[6][32];
	unsigned done;
};

static int job(size_t i, int result_fd, void *arg)
{
	dprintf(result_fd, "result %zu", i);
	printf("line of %zu\n", i);
	fprintf(stderr, "error of %zu\n", i);
	switch (i) {
	case 1:
		return 7;
	case 2:
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		return 0;
	case 3:
		_exit(9);
	}
	return 0;
}

static void job_line(size_t i, const char *line, size_t len, bool is_err, void *arg)
{
	struct seen *s = arg;

	assert_int_equal(strlen(line), len);
	buf_addf(&s->lines, "%zu%c%s\n", i, is_err ? 'e' : 'o', line);
}

static void job_done(size_t i, int status, const char *result, size_t len, void *arg)
{
	struct seen *s = arg;

	assert_int_equal(strlen(result), len);
	s->status[i] = status;
	snprintf(s->result[i], sizeof(s->result[i]), "%s", result);
	s->done++;
}

static void one_failing_job_is_one_failure(void **state)
{
	for (size_t width = 0; width < 4; width++) {
		struct seen s = {0};
		struct jobs j = {.n = 5, .width = width, .run = job, .line = job_line, .done = job_done, .arg = &s};

		assert_int_equal(jobs_run(&j, NULL), 0);
		assert_int_equal(s.done, 5);
		assert_int_equal(s.status[0], 0);
		assert_int_equal(s.status[1], 7);
		assert_int_equal(s.status[2], 128 + SIGSEGV);
		assert_int_equal(s.status[3], 9);
		assert_int_equal(s.status[4], 0);
		assert_string_equal(s.result[4], "result 4");
		assert_string_equal(s.result[2], "result 2"); /* what it got to write before its end */
		assert_non_null(strstr(s.lines.p, "4oline of 4\n"));
		assert_non_null(strstr(s.lines.p, "1eerror of 1\n"));
		buf_free(&s.lines);
	}
}

static void no_jobs_are_no_work(void **state)
{
	struct jobs j = {.n = 0, .width = 2, .run = job, .done = job_done};

	assert_int_equal(jobs_run(&j, NULL), 0);
}

static int job_until_interrupted(size_t i, int result_fd, void *arg)
{
	if (i == 0)
		kill(getppid(), SIGINT);
	for (int tries = 0; tries < 600 && !intr_pending(); tries++)
		usleep(100000);
	dprintf(result_fd, "undone");
	return intr_pending() ? 42 : 0;
}

static int interrupted_jobs(void)
{
	struct seen s = {0};
	struct jobs j = {.n = 6, .width = 2, .run = job_until_interrupted, .done = job_done, .arg = &s};

	intr_setup();
	if (jobs_run(&j, NULL) != 0 || s.done != 6)
		return 1;
	if (s.status[0] != 42 || strcmp(s.result[0], "undone") != 0)
		return 2;
	for (int i = 2; i < 6; i++)
		if (s.status[i] != -EINTR)
			return 3;
	return 0;
}

static void interrupted_jobs_undo_and_no_more_start(void **state)
{
	assert_int_equal(in_child(interrupted_jobs), 0);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void no_descriptor_is_left_open(void **state)
{
	struct seen s = {0};
	struct jobs j = {.n = 3, .width = 2, .run = job, .done = job_done, .arg = &s};
	struct err e = {0};
	int before = open_fds();

	assert_int_equal(jobs_run(&j, NULL), 0);
	proc_run(SH("exit 1"), NULL, NULL, 0, NULL, NULL);
	proc_run((const char *const[]){"/no/such", NULL}, NULL, NULL, 0, NULL, &e);
	proc_run((const char *const[]){"no-such", NULL}, NULL, NULL, 0, NULL, &e);
	err_clear(&e);
	assert_int_equal(open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_come_back),
		cmocka_unit_test(missing_programs_are_named),
		cmocka_unit_test(lines_are_told_apart),
		cmocka_unit_test(endless_lines_come_in_pieces),
		cmocka_unit_test(output_is_kept_whole_up_to_a_limit),
		cmocka_unit_test(input_is_handed_on_or_empty),
		cmocka_unit_test(relayed_bytes_arrive_unchanged),
		cmocka_unit_test(nothing_of_ours_is_inherited),
		cmocka_unit_test(signals_are_as_a_program_expects_them),
		cmocka_unit_test(time_limit_ends_it),
		cmocka_unit_test(orphans_that_hold_the_pipe_do_not_hold_us),
		cmocka_unit_test(interrupts_end_children_but_not_undo),
		cmocka_unit_test(one_failing_job_is_one_failure),
		cmocka_unit_test(no_jobs_are_no_work),
		cmocka_unit_test(interrupted_jobs_undo_and_no_more_start),
		cmocka_unit_test(no_descriptor_is_left_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
