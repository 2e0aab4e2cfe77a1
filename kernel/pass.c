/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message with descriptors in it, over a SOCK_SEQPACKET socket between two processes of ours.
 */
#include "kernel/supervise.h"

#include <sys/socket.h>

union control {
	char buf[CMSG_SPACE(sizeof(int) * PASS_FDS)];
	struct cmsghdr align;
};

int pass_send(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	struct iovec iov = {(void *)(uintptr_t)data, len};
	union control control = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n > 0) {
		struct cmsghdr *h;

		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
	}
	while (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

ssize_t pass_receive(int sock, void *data, size_t len, int fds[PASS_FDS])
{
	struct iovec iov = {data, len};
	union control control = {0};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *h;
	ssize_t got;

	for (size_t i = 0; i < PASS_FDS; i++)
		fds[i] = -1;
	do
		got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	h = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(h), h->cmsg_len - CMSG_LEN(0));
	return got < 0 ? -errno : got;
}
