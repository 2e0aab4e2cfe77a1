/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What processes reach one another by without a signal: System V IPC, message queues, unix sockets. One try a call:
 * exit status 0 when it was done, 1 with the error on standard output when it was refused, 2 when the try itself went
 * wrong. For tests of security contexts, natively and in the VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int done(int failed)
{
	if (!failed)
		return 0;
	printf("%s\n", strerror(errno));
	return 1;
}

/* ---- on a thing with a name
 * ------------------------------------------------------------------------------------------- */

static int try_shm_make(const char *key)
{
	return done(shmget(atoi(key), 4096, IPC_CREAT | IPC_EXCL | 0666) < 0);
}
static int try_sem_make(const char *key)
{
	return done(semget(atoi(key), 1, IPC_CREAT | IPC_EXCL | 0666) < 0);
}
static int try_msg_make(const char *key)
{
	return done(msgget(atoi(key), IPC_CREAT | IPC_EXCL | 0666) < 0);
}
static int try_shm_get(const char *key)
{
	return done(shmget(atoi(key), 0, 0) < 0);
}
static int try_sem_get(const char *key)
{
	return done(semget(atoi(key), 0, 0) < 0);
}
static int try_msg_get(const char *key)
{
	return done(msgget(atoi(key), 0) < 0);
}

/* The numbers that the kernel gave, which everybody can guess. */
static int print_ids(const char *key)
{
	printf("%d %d %d\n", shmget(atoi(key), 0, 0), semget(atoi(key), 0, 0), msgget(atoi(key), 0));
	return 0;
}

static int try_shm_use(const char *id)
{
	return done(shmat(atoi(id), NULL, 0) == (void *)-1);
}
static int try_shm_stat(const char *id)
{
	struct shmid_ds d;
	return done(shmctl(atoi(id), IPC_STAT, &d) < 0);
}
static int try_shm_rm(const char *id)
{
	return done(shmctl(atoi(id), IPC_RMID, NULL) < 0);
}
static int try_sem_rm(const char *id)
{
	return done(semctl(atoi(id), 0, IPC_RMID) < 0);
}
static int try_msg_rm(const char *id)
{
	return done(msgctl(atoi(id), IPC_RMID, NULL) < 0);
}

static int try_sem_use(const char *id)
{
	struct sembuf up = {.sem_op = 1};

	return done(semop(atoi(id), &up, 1));
}

static int try_msg_use(const char *id)
{
	struct {
		long type;
		char text[4];
	} m = {1, "x"};

	return done(msgsnd(atoi(id), &m, sizeof(m.text), IPC_NOWAIT));
}

static int try_mq_make(const char *name)
{
	return done(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0666, NULL) < 0);
}
static int try_mq_open(const char *name)
{
	return done(mq_open(name, O_RDWR) < 0);
}

/* "@name" is an abstract name, others are paths. */
static socklen_t address(const char *name, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path, sizeof(a->sun_path), "%s", name);
	if (name[0] != '@')
		return sizeof(*a);
	a->sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

static int try_connect(const char *name)
{
	struct sockaddr_un a;
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	return s < 0 ? 2 : done(connect(s, (struct sockaddr *)&a, address(name, &a)) < 0);
}

static int try_send(const char *name)
{
	struct sockaddr_un a;
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);

	return s < 0 ? 2 : done(sendto(s, "x", 1, 0, (struct sockaddr *)&a, address(name, &a)) < 0);
}

/* Listens on NAME and receives datagrams on NAME.d until it is killed. */
static int serve(const char *name)
{
	struct sockaddr_un a, d;
	char other[100];
	int s = socket(AF_UNIX, SOCK_STREAM, 0), g = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(other, sizeof(other), "%s.d", name);
	if (bind(s, (struct sockaddr *)&a, address(name, &a)) < 0 || listen(s, 100) < 0 ||
	    bind(g, (struct sockaddr *)&d, address(other, &d)) < 0)
		return 2;
	puts("ready");
	fflush(stdout);
	while (pause() <= 0)
		;
	return 2;
}

static const struct {
	const char *name;
	int (*try)(const char *name);
} tries[] = {
	{"shm-make", try_shm_make}, {"sem-make", try_sem_make}, {"msg-make", try_msg_make}, {"shm-get", try_shm_get},
	{"sem-get", try_sem_get},   {"msg-get", try_msg_get},   {"ids", print_ids},         {"shm-use", try_shm_use},
	{"sem-use", try_sem_use},   {"msg-use", try_msg_use},   {"shm-stat", try_shm_stat}, {"shm-rm", try_shm_rm},
	{"sem-rm", try_sem_rm},     {"msg-rm", try_msg_rm},     {"mq-make", try_mq_make},   {"mq-open", try_mq_open},
	{"connect", try_connect},   {"send", try_send},         {"serve", serve},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(tries) / sizeof(*tries); i++)
		if (strcmp(tries[i].name, argv[1]) == 0)
			return tries[i].try(argv[2]);
	fprintf(stderr, "unknown try: %s\n", argc > 1 ? argv[1] : "");
	return 2;
}
