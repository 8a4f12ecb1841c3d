/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include "likeness-config.h"

#include <locale.h>
#include <string.h>

static const CliCommand *const commands[] = {
    &cli_invert, &cli_edit, &cli_batch, &cli_sheet, &cli_bench, &cli_import, &cli_info,
};

static void print_help(void)
{
    g_print("Usage: likeness-cli COMMAND [OPTION…] …\n\n"
            "Inverts portraits into a generator's latent space and edits them there.\n\nCommands:\n");
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        g_print("  %-8s  %s\n", commands[i]->name, commands[i]->summary);
    g_print("\nlikeness-cli COMMAND --help tells a command's options; likeness-cli --version the version.\n"
            "Exit status: 0 done, 1 failed, 2 wrong usage.\n");
}

static const CliCommand *find_command(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static CliStatus usage_error(const char *word)
{
    if (word == NULL)
        cli_complain("say what to do (see likeness-cli --help)");
    else
        cli_complain("there is no command %s (see likeness-cli --help)", word);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const CliCommand *command = word ? find_command(word) : NULL;
    const CliOptions *options;

    setlocale(LC_ALL, "");
    if (g_strcmp0(word, "--help") == 0 || g_strcmp0(word, "-h") == 0) {
        print_help();
        return CLI_DONE;
    }
    if (g_strcmp0(word, "--version") == 0) {
        g_print("likeness-cli %s\n", LK_VERSION);
        return CLI_DONE;
    }
    if (command == NULL)
        return usage_error(word);
    options = cli_options_read(command, argc - 1, argv + 1);
    if (options == NULL)
        return CLI_USAGE;

    cli_catch_signals();
    const CliStatus status = command->run(options);
    cli_progress(options, NULL);
    return status;
}
