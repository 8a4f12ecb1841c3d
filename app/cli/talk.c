/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static GMutex lock;
static gboolean progress_is_shown;

static void clear_progress(void)
{
    if (progress_is_shown)
        fputs("\r\033[K", stderr);
    progress_is_shown = FALSE;
}

void cli_complain(const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    /* A driver's message, or a file's name, may have lines of its own. */
    g_strdelimit(message, "\r\n", ' ');
    g_mutex_lock(&lock);
    clear_progress();
    g_printerr("likeness-cli: %s\n", g_strchomp(message));
    g_mutex_unlock(&lock);
}

CliStatus cli_fail(const GError *error)
{
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        cli_complain("cancelled");
    else
        cli_complain("%s", error->message);
    return CLI_FAILED;
}

void cli_progress(const CliOptions *options, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list arguments;

    if (options->quiet || !isatty(STDERR_FILENO))
        return;
    va_start(arguments, format);
    message = format ? g_strdup_vprintf(format, arguments) : NULL;
    va_end(arguments);
    g_mutex_lock(&lock);
    clear_progress();
    if (message != NULL)
        g_printerr("%s", message);
    progress_is_shown = message != NULL;
    g_mutex_unlock(&lock);
}

/* ---- signals ------------------------------------------------------------------------------------------------ */

GCancellable *cli_cancellable(void)
{
    static GCancellable *cancellable;

    if (g_once_init_enter(&cancellable))
        g_once_init_leave(&cancellable, g_cancellable_new());
    return cancellable;
}

static int signal_pipe[2];

/* Signals arrive in any thread, some of which libraries started before main, and a handler may do next to nothing. */
static void pass_on(int number)
{
    const int saved = errno;

    if (write(signal_pipe[1], "", 1) < 0)
        _exit(CLI_FAILED);
    errno = saved;
}

static void wait_for_signal(void)
{
    char byte;

    while (read(signal_pipe[0], &byte, 1) < 0 && errno == EINTR)
        ;
}

static gpointer cancel_on_signal(gpointer data)
{
    wait_for_signal();
    g_cancellable_cancel(cli_cancellable());
    /* Whoever asks twice does not want to wait for the running stage. */
    wait_for_signal();
    _exit(CLI_FAILED);
}

void cli_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};

    if (!g_unix_open_pipe(signal_pipe, FD_CLOEXEC, NULL))
        return; /* without it a signal ends the program at once */
    g_thread_unref(g_thread_new("signals", cancel_on_signal, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        struct sigaction before;
        /* What the caller chose to ignore (nohup) stays ignored. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}
