// SPDX-License-Identifier: GPL-2.0
/*
 * Rings change from worker to worker: in the middle of other commands' traffic
 * (--workers), and to see that it is the new worker that serves them.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "include/uapi/viola.h"
#include "tests/lab/vring-run.h"

#define WORKERS 4u /* worker 0 among them */
#define PORTIONS 40

static unsigned int worker_new(int fd)
{
	struct vhost_worker_state w;

	if (ioctl(fd, VHOST_NEW_WORKER, &w))
		fail("new worker: %s", strerror(errno));
	return w.worker_id;
}

static void worker_free(int fd, unsigned int id)
{
	struct vhost_worker_state w = { .worker_id = id };

	if (ioctl(fd, VHOST_FREE_WORKER, &w))
		fail("end of worker %u: %s", id, strerror(errno));
}

static void worker_attach(int fd, unsigned int index, unsigned int id)
{
	struct vhost_vring_worker w = { .index = index, .worker_id = id };

	if (ioctl(fd, VHOST_ATTACH_VRING_WORKER, &w))
		fail("ring %u to worker %u: %s", index, id, strerror(errno));
}

/* --- all the time ------------------------------------------------------------ */

static struct {
	pthread_t thread;
	int fd;
	bool stop;
	unsigned int moves;
} mover;

/*
 * Every combination of workers comes; each time round one worker ends, which
 * has just lost its rings, and another begins.
 */
static void *mover_run(void *unused)
{
	unsigned int id[WORKERS] = { 0 }, i, step;

	for (i = 1; i < WORKERS; i++)
		id[i] = worker_new(mover.fd);
	for (step = 0; !__atomic_load_n(&mover.stop, __ATOMIC_RELAXED); step++) {
		worker_attach(mover.fd, DRIVER_RX, id[step % WORKERS]);
		worker_attach(mover.fd, DRIVER_TX, id[step / WORKERS % WORKERS]);
		__atomic_add_fetch(&mover.moves, 1, __ATOMIC_RELAXED);
		if (step % WORKERS)
			continue;
		/* Both rings are elsewhere now: at 0 and at this. */
		i = 1 + (step / WORKERS + 1) % (WORKERS - 1);
		if (i == step / WORKERS % WORKERS)
			continue;
		worker_free(mover.fd, id[i]);
		id[i] = worker_new(mover.fd);
	}
	return NULL;
}

void workers_move(struct run *r)
{
	int err;

	mover.fd = r->d.fd;
	mover.stop = false;
	mover.moves = 0;
	err = pthread_create(&mover.thread, NULL, mover_run, NULL);
	if (err)
		fail("no thread: %s", strerror(err));
}

unsigned int workers_moved(void)
{
	return __atomic_load_n(&mover.moves, __ATOMIC_RELAXED);
}

void workers_rest(void)
{
	__atomic_store_n(&mover.stop, true, __ATOMIC_RELAXED);
	pthread_join(mover.thread, NULL);
}

/* --- who serves ---------------------------------------------------------------- */

/* How often the thread "viola-<own pid>-NAME" was switched away from; -1: none. */
static long switches(const char *name)
{
	char want[64], path[300], line[256];
	struct dirent *entry;
	long count = -1, part;
	FILE *file;
	DIR *dir;

	snprintf(want, sizeof(want), "Name:\tviola-%d-%s\n", getpid(), name);
	dir = opendir("/proc");
	if (!dir)
		fail("/proc: %s", strerror(errno));
	while (count < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/status", entry->d_name);
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(line, sizeof(line), file) && !strcmp(line, want)) {
			count = 0;
			while (fgets(line, sizeof(line), file)) {
				char *at = strstr(line, "_ctxt_switches:");

				if (at && sscanf(at, "_ctxt_switches: %ld", &part) == 1)
					count += part;
			}
		}
		fclose(file);
	}
	closedir(dir);
	return count;
}

static const char *const threads[] = { "0", "1", "w1", "w2" };

enum { T_0, T_1, T_W1, T_W2, THREADS };

/*
 * One kind of arrangement: where the rings are, who is to serve then (@busy), and
 * who may or may not (@maybe).
 */
static bool arrangement(struct run *r, const char *name, unsigned int rx, unsigned int tx,
			unsigned int busy, unsigned int maybe)
{
	long before[THREADS], ran;
	const char *why = NULL;
	unsigned int i;

	worker_attach(r->d.fd, DRIVER_RX, rx);
	worker_attach(r->d.fd, DRIVER_TX, tx);
	for (i = 0; i < THREADS; i++)
		before[i] = switches(threads[i]);
	/* In portions, between which the threads sleep. */
	for (i = 0; i < PORTIONS && !why; i++) {
		if (!run_exchange(r, 10, true))
			why = "traffic does not get through";
	}
	for (i = 0; i < THREADS && !why; i++) {
		ran = switches(threads[i]) - before[i];
		if (before[i] < 0)
			why = "a thread is missing";
		else if (busy >> i & 1 && ran < PORTIONS / 2)
			why = "the worker does not run";
		else if (!((busy | maybe) >> i & 1) && ran > PORTIONS / 10)
			why = "another worker runs";
	}
	printf("%s - %s%s%s\n", why ? "not ok" : "ok", name, why ? " - " : "", why ? why : "");
	return !why;
}

int run_workers(struct run *r)
{
	unsigned int own = 1 << T_W1 | 1 << T_W2;
	int fd = r->d.fd;
	bool ok = true;

	r->size = 0;
	if (worker_new(fd) != 1 || worker_new(fd) != 2)
		fail("workers are not numbered from 1 on");
	ok &= arrangement(r, "both rings with a worker of their own", 1, 2, own, 0);
	ok &= arrangement(r, "rings change places", 2, 1, own, 0);
	ok &= arrangement(r, "both rings with one worker", 1, 1, 1 << T_W1, 0);
	ok &= arrangement(r, "receiving ring alone elsewhere", 2, 0, 1 << T_W2 | 1 << T_0,
			  1 << T_1);
	worker_attach(fd, DRIVER_RX, 0);
	worker_attach(fd, DRIVER_TX, 0);
	worker_free(fd, 2);
	worker_free(fd, 1);
	if (!run_exchange(r, 500, true)) {
		puts("not ok - back at worker 0 - traffic does not get through");
		return 1;
	}
	puts("ok - back at worker 0");
	return ok ? 0 : 1;
}
