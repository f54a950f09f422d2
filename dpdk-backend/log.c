// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_log.h>

static bool show;
static int out; /* stderr, whatever that is for a while */
static __thread char reason[256];

/* The whole text of one message: the stream has no buffer. */
static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	bool own = rte_log_cur_msg_logtype() == RTE_LOGTYPE_USER1;
	unsigned int level = (unsigned int)rte_log_cur_msg_loglevel();
	size_t n = len;
	ssize_t ignored = 0;

	/* What is worse than an error is a library's last word. */
	if (show || own || level <= RTE_LOG_CRIT)
		ignored = write(out, text, len); /* nobody is there to hear of a failure */
	(void)ignored;
	if (own || level > RTE_LOG_ERR || *reason)
		return (ssize_t)len;
	while (n && (text[n - 1] == '\n' || text[n - 1] == '.'))
		n--;
	if (n >= sizeof(reason))
		n = sizeof(reason) - 1;
	memcpy(reason, text, n);
	reason[n] = 0;
	return (ssize_t)len;
}

int log_open(bool verbose)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = log_write });

	if (!f)
		return -errno;
	show = verbose;
	out = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (out < 0)
		out = STDERR_FILENO;
	/* Each message is one write, made by the thread whose message it is. */
	setvbuf(f, NULL, _IONBF, 0);
	return rte_openlog_stream(f) ? -EINVAL : 0;
}

void log_begin(void)
{
	*reason = 0;
}

const char *log_reason(void)
{
	return reason;
}
