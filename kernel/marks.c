/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When marks are made, and when they count. A mark is attributes on the disk, which outlive the programs that respect
 * them: after a reboot they protect nothing until those are loaded again. So a note on the disk says that there may be
 * marks, and is older than the first of them: without it no mark is made, and with it no context begins unless the
 * programs are live.
 *
 * The note lies beside the store, so that it is where the marks are, on whatever host their disk comes to be mounted.
 */
#include "kernel/internal.h"

#include <time.h>

#define NOTE_DIR "/vservers/.unify"
#define NOTE_NAME "marks"

static bool noted(void)
{
	_cleanup_free_ char *path = place(NOTE_DIR "/" NOTE_NAME);

	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Asked for every shared file that is looked at, so a yes is believed for a while. What could go wrong in that time
 * does not: programs are not unloaded while contexts run, and to begin one takes a fresh answer. */
#define BELIEVED_MS 100

bool marks_count(void)
{
	static int64_t until;

	if (now_ms() < until)
		return true;
	if (!kernel_live(KERNEL_SEAL))
		return false;
	until = now_ms() + BELIEVED_MS;
	return true;
}

bool seal_marks(void)
{
	return noted() && marks_count();
}

bool seal_marks_noted(void)
{
	return noted();
}

int seal_marks_begin(struct err *e)
{
	static const char text[] = "Shared files of these vservers are sealed by the attributes S, A and d, which the "
				   "programs of vserver-kernel\n"
				   "respect. Without those loaded (this file says that they are needed) no vserver "
				   "starts; vunify then seals\n"
				   "all by the attribute i instead, and removes this file. Do not remove it by hand.\n";
	_cleanup_close_ int dir = -1;
	int r;

	if (noted())
		return 0;
	dir = place_dir(NOTE_DIR, 0700, e);
	if (dir < 0)
		return dir;
	r = path_write(dir, NOTE_NAME, text, strlen(text), 0600, e);
	if (r == 0 && (syncfs(dir) < 0 || fsync(dir) < 0))
		r = err_sys(e, NOTE_DIR "/" NOTE_NAME);
	if (r < 0)
		unlinkat(dir, NOTE_NAME, 0);
	return r;
}

int seal_marks_end(struct err *e)
{
	_cleanup_close_ int dir = -1;

	if (!noted())
		return 0;
	dir = place_dir(NOTE_DIR, 0700, e);
	if (dir < 0)
		return dir;
	/* What took the marks' place has to be on the disk before the note is gone from it. */
	if (syncfs(dir) < 0 || unlinkat(dir, NOTE_NAME, 0) < 0)
		return err_sys(e, NOTE_DIR "/" NOTE_NAME);
	return 0;
}

int seal_guard(struct err *e)
{
	_cleanup_err_ struct err why = {0};

	if (!noted() || kernel_live(KERNEL_SEAL) || kernel_load(KERNEL_SEAL, &why) == 0)
		return 0;
	return err_set(e, -ENOSYS,
		       "shared files are sealed by a mark that protects nothing now (%s); run: vunify ALL, which seals "
		       "them by the immutable attribute",
		       why.msg);
}
