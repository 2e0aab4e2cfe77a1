/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What code in the sandbox can and cannot do, and that whatever happens to it comes back as an error.
 */
#include "tests/unit/must.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* One attempt each; 0 when it was refused, else what succeeded. */
static int try_network(void)
{
	for (int family = 0; family < AF_MAX; family++)
		if (socket(family, SOCK_STREAM, 0) >= 0 || socket(family, SOCK_DGRAM, 0) >= 0)
			return -EFAULT;
	return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM ? 0 : -EPROTO;
}

static int try_exec(void)
{
	/* The attempt must not die of a missing file: the sandbox has none. */
	execl("/proc/self/exe", "x", (char *)NULL);
	return errno == EPERM ? 0 : -EPROTO;
}

static int try_signal(void)
{
	return kill(getppid(), 0) < 0 ? 0 : -EFAULT;
}

static int try_identity(void)
{
	if (geteuid() == 0 || setuid(0) == 0 || seteuid(0) == 0)
		return -EFAULT;
	return 0;
}

static int try_writing(void)
{
	static const char *const places[] = {"/x", "x", "/tmp/x", "../x", "/dev/shm/x", "copy"};

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (open(places[i], O_WRONLY | O_CREAT, 0600) >= 0)
			return -EFAULT;
	return unlink("copy") == 0 || mkdir("d", 0700) == 0 || chmod("copy", 0777) == 0 ? -EFAULT : 0;
}

static int try_host_files(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 && open("../../../etc/passwd", O_RDONLY) < 0 &&
			       opendir("/proc") == NULL
		       ? 0
		       : -EFAULT;
}

static int call(int out, void *arg, struct err *e)
{
	int (*attempt)(void) = *(int (**)(void))arg;
	int r = attempt();

	return r < 0 ? err_set(e, r, "it succeeded") : 0;
}

static int attempt(int (*fn)(void), int rootfd)
{
	_cleanup_err_ struct err e = {0};

	return sandbox_call(call, &fn, rootfd, NULL, 0, 10, NULL, &e);
}

static void network_exec_and_signals_are_refused(void **state)
{
	assert_int_equal(attempt(try_network, -1), 0);
	assert_int_equal(attempt(try_exec, -1), 0);
	assert_int_equal(attempt(try_signal, -1), 0);
}

static void files_are_out_of_reach(void **state)
{
	char *path;
	int dir;

	need_root(); /* without root there is no chroot, and the caller's own files are open to it anyway */
	dir = temp_dir(&path);
	assert_int_equal(path_write(dir, "copy", "x", 1, 0644, NULL), 0);
	assert_int_equal(fchmod(dir, 0755), 0);
	assert_int_equal(attempt(try_identity, -1), 0);
	assert_int_equal(attempt(try_identity, dir), 0);
	assert_int_equal(attempt(try_writing, -1), 0);
	assert_int_equal(attempt(try_writing, dir), 0);
	assert_int_equal(attempt(try_host_files, -1), 0);
	assert_int_equal(attempt(try_host_files, dir), 0);
	temp_gone(dir, path);
}

struct reading {
	int fd, closed;
};

static int read_copies(int out, void *arg, struct err *e)
{
	const struct reading *r = arg;
	char text[16];
	ssize_t n;
	int fd = open("copy", O_RDONLY);

	if (fd < 0)
		return err_sys(e, "copy");
	n = read(fd, text, sizeof(text));
	if (n < 0 || write(out, text, (size_t)n) != n)
		return err_sys(e, "copy");
	n = pread(r->fd, text, sizeof(text), 0);
	if (n < 0 || write(out, text, (size_t)n) != n)
		return err_sys(e, "kept descriptor");
	if (fcntl(r->closed, F_GETFD) >= 0)
		return err_set(e, -EFAULT, "a descriptor that is not in keep[] is open");
	if (read(STDIN_FILENO, text, 1) != 0)
		return err_set(e, -EFAULT, "standard input is not empty");
	return 12;
}

static void it_reads_what_it_is_given(void **state)
{
	char *path;
	int dir = temp_dir(&path);
	_cleanup_close_ int kept = openat(dir, "kept", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_close_ int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_buf_ struct buf out = {0};
	struct reading r = {kept, other};
	struct err e = {0};
	int v;

	assert_int_equal(pwrite(kept, " by descriptor", 14, 0), 14);
	assert_int_equal(path_write(dir, "copy", "by name,", 8, 0644, NULL), 0);
	assert_int_equal(fchmod(dir, 0755), 0);
	v = sandbox_call(read_copies, &r, dir, &kept, 1, 10, &out, &e);
	if (v < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(v, 12);
	assert_string_equal(out.p, "by name, by descriptor");
	temp_gone(dir, path);
}

static int fail_with_words(int out, void *arg, struct err *e)
{
	dprintf(out, "half a result");
	return err_set(e, -EUCLEAN, "line %d: %s", 3, "bad \"thing\"");
}

static void its_error_is_carried_back(void **state)
{
	struct buf out = {0};
	struct err e = {0};

	assert_error(&e, sandbox_call(fail_with_words, NULL, -1, NULL, 0, 10, &out, &e), -EUCLEAN,
		     "line 3: bad \"thing\"");
	assert_null(out.p);
}

static int crash(int out, void *arg, struct err *e)
{
	raise(SIGSEGV);
	return 0;
}

static int end_early(int out, void *arg, struct err *e)
{
	_exit(0);
}

static int hang(int out, void *arg, struct err *e)
{
	for (;;)
		pause();
	return 0;
}

static void crash_and_hang_are_errors(void **state)
{
	struct err e = {0};

	assert_error(&e, sandbox_call(crash, NULL, -1, NULL, 0, 10, NULL, &e), -EBADMSG, "signal 11");
	assert_error(&e, sandbox_call(end_early, NULL, -1, NULL, 0, 10, NULL, &e), -EBADMSG, "sandbox");
	assert_error(&e, sandbox_call(hang, NULL, -1, NULL, 0, 1, NULL, &e), -ETIMEDOUT, "time limit");
}

/* The address sanitizer reserves so many addresses that they cannot be limited. */
#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#if !SANITIZED
static int eat_memory(int out, void *arg, struct err *e)
{
	for (int i = 0; i < 100; i++)
		if (mmap(NULL, 1ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			return err_set(e, -ENOMEM, "no more memory");
	return 0;
}

static void memory_is_limited(void **state)
{
	struct err e = {0};

	assert_error(&e, sandbox_call(eat_memory, NULL, -1, NULL, 0, 10, NULL, &e), -ENOMEM, "no more memory");
}
#endif

static int large_result(int out, void *arg, struct err *e)
{
	static char chunk[100000];

	for (int i = 0; i < 100; i++)
		for (size_t done = 0; done < sizeof(chunk);) {
			ssize_t n = write(out, chunk + done, sizeof(chunk) - done);

			if (n < 0)
				return err_sys(e, "write");
			done += (size_t)n;
		}
	return 0;
}

static void large_results_arrive_whole(void **state)
{
	_cleanup_buf_ struct buf out = {0};

	assert_int_equal(sandbox_call(large_result, NULL, -1, NULL, 0, 30, &out, NULL), 0);
	assert_int_equal(out.len, 10000000);
}

static void no_descriptor_is_left_open(void **state)
{
	int a = dup(0), b;

	close(a);
	attempt(try_signal, -1);
	sandbox_call(crash, NULL, -1, NULL, 0, 10, NULL, NULL);
	sandbox_call(hang, NULL, -1, NULL, 0, 1, NULL, NULL);
	b = dup(0);
	close(b);
	assert_int_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_exec_and_signals_are_refused),
		cmocka_unit_test(files_are_out_of_reach),
		cmocka_unit_test(it_reads_what_it_is_given),
		cmocka_unit_test(its_error_is_carried_back),
		cmocka_unit_test(crash_and_hang_are_errors),
#if !SANITIZED
		cmocka_unit_test(memory_is_limited),
#endif
		cmocka_unit_test(large_results_arrive_whole),
		cmocka_unit_test(no_descriptor_is_left_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
