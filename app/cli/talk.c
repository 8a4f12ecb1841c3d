/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

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
    clear_progress();
    /* A driver's message, or a file's name, may have lines of its own. */
    g_strdelimit(message, "\r\n", ' ');
    g_printerr("likeness-cli: %s\n", g_strchomp(message));
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
    clear_progress();
    if (format == NULL)
        return;
    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_printerr("%s", message);
    progress_is_shown = TRUE;
}

/* ---- signals ------------------------------------------------------------------------------------------------ */

GCancellable *cli_cancellable(void)
{
    static GCancellable *cancellable;

    if (g_once_init_enter(&cancellable))
        g_once_init_leave(&cancellable, g_cancellable_new());
    return cancellable;
}

/* Those that end the program. What the caller chose to ignore (nohup) stays ignored. */
static void ending_signals(sigset_t *set)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    sigemptyset(set);
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(set, numbers[i]);
    }
}

/* A thread that waits for signals may do what a handler may not. */
static gpointer wait_for_signals(gpointer data)
{
    sigset_t set;
    int number;

    ending_signals(&set);
    sigwait(&set, &number);
    g_cancellable_cancel(cli_cancellable());
    /* Whoever asks twice does not want to wait for the running stage. */
    sigwait(&set, &number);
    _exit(CLI_FAILED);
}

void cli_catch_signals(void)
{
    sigset_t set;

    ending_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* inherited by every thread */
    g_thread_unref(g_thread_new("signals", wait_for_signals, NULL));
}
