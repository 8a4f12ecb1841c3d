/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * cli.h - what the commands of likeness-cli share. One command per file; each is a CliCommand, run by main.c after its
 * options were read.
 */
#pragma once

#include "editor.h"
#include "original.h"
#include "project.h"

G_BEGIN_DECLS

typedef enum {
    CLI_DONE = 0,
    CLI_FAILED = 1, /* and one line on stderr */
    CLI_USAGE = 2,
} CliStatus;

/* What a command takes besides the options of all commands. */
typedef enum {
    CLI_TAKES_INVERSION = 1 << 0, /* --inversion */
    CLI_TAKES_PHOTO = 1 << 1,     /* --aligned, --face */
    CLI_TAKES_FILE = 1 << 2,      /* -o FILE */
    CLI_TAKES_FOLDER = 1 << 3,    /* -o DIR */
    CLI_TAKES_SET = 1 << 4,       /* --set */
    CLI_TAKES_DUMP = 1 << 5,      /* --dump */
    CLI_TAKES_JSON = 1 << 6,      /* --json */
    CLI_TAKES_RUNS = 1 << 7,      /* --runs */
    CLI_TAKES_IMPORT = 1 << 8,    /* -o MODEL, --name, --f32 */
    CLI_TAKES_EXPORT = 1 << 9,    /* --quality, --depth, --full-chroma, --strip-location */
    CLI_TAKES_DETAIL = 1 << 10,   /* --detail */
    CLI_TAKES_BATCH = 1 << 11,    /* --format, --overwrite */
    CLI_TAKES_PROJECT = 1 << 12,  /* --project, a project in place of the photo */
} CliTakes;

typedef struct {
    char *model;  /* file or name, or NULL */
    char *device; /* or NULL */
    gboolean half;
    gboolean quiet;
    LkInversionMode inversion;
    gboolean has_inversion;
    gboolean aligned;
    guint face; /* from 0 */
    char *output;
    LkExportOptions export; /* format: of output, or of --format */
    gboolean has_format;    /* of batch: --format was given */
    gboolean overwrite;
    double detail; /* 0 to 1 */
    gboolean has_detail;
    char **set;    /* NULL-terminated; NULL: none */
    char *dump;    /* or NULL */
    char *project; /* to write, or NULL */
    gboolean json;
    guint runs;
    char *name; /* or NULL */
    gboolean full;
    char **photos; /* NULL-terminated; of import: the files */
    guint n_photos;
} CliOptions;

typedef struct {
    const char *name;
    const char *arguments; /* for the help's first line */
    const char *summary;   /* a sentence without full stop, for the list of commands */
    const char *details;   /* or NULL */
    CliTakes takes;
    guint min_photos, max_photos;
    CliStatus (*run)(const CliOptions *options);
} CliCommand;

extern const CliCommand cli_info, cli_invert, cli_edit, cli_batch, cli_sheet, cli_bench, cli_import;

/* ---- options.c: the command line ---- */

/* Reads a command's arguments. NULL: wrong usage, which has been explained. --help and --version end the program. */
const CliOptions *cli_options_read(const CliCommand *command, int argc, char **argv);

/* ---- engine.c: what every command needs opened ---- */

/* Path of a model given as a file, by name, or (NULL) the built-in one. */
char *cli_model_path(const char *model, GError **error);
LkModel *cli_open_model(const CliOptions *options, GError **error);
/* flags: besides those that the options ask for. */
LkEditor *cli_open_editor(const CliOptions *options, LkModel *model, LkNetFlags flags, GError **error);
/* Finds and inverts the face; errors name path. */
gboolean cli_open_photo(const CliOptions *options, LkEditor *editor, const LkOriginal *original,
                        const char *path, GError **error);
/* A value for each direction from NAME=VALUE words, NAN for those that are not named. NAME may be the end of a name behind a
 * "-" where only one slider ends so. Refuses what the model does not have or a slider does not reach. */
float *cli_parse_values(LkModel *model, char *const *set, GError **error);
/* The same for the photo that is open: sliders that are not set (set: NULL: all) at their neutral values. */
float *cli_photo_values(const LkEditor *editor, const float *set);

/* ---- picture.c: from an opened editor to a file ---- */

typedef enum {
    CLI_SHOW_EDIT,      /* what the edit changes */
    CLI_SHOW_INVERSION, /* the network's picture as it is */
} CliShow;

/* A picture that is ready to be written, by any thread. */
typedef struct {
    LkOriginal *original;
    GPtrArray *patches; /* of LkPatch: what the faces' edits change; NULL: nothing */
    LkPhoto *bare;      /* with --aligned: this is written instead */
} CliPicture;

void cli_picture_clear(CliPicture *picture);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CliPicture, cli_picture_clear)

/* Puts the network's picture of the face that is open into it. */
gboolean cli_picture_place(const CliOptions *options, LkEditor *editor, LkOriginal *original, LkPhoto *face,
                           CliShow show, CliPicture *picture, GError **error);
/* Edits the face that is open: values, one per direction. Of several faces one after the other. */
gboolean cli_picture_edit(const CliOptions *options, LkEditor *editor, LkOriginal *original,
                          const float *values, CliShow show, const char *dump, CliPicture *picture,
                          GError **error);
/* Inverts a photo and applies the values that are set (cli_parse_values); writes the stages where asked to. */
gboolean cli_picture_make(const CliOptions *options, LkEditor *editor, LkOriginal *original, const char *path,
                          const float *set, CliShow show, const char *dump, CliPicture *picture,
                          GError **error);
gboolean cli_picture_save(const CliPicture *picture, const char *output, const LkExportOptions *how,
                          GError **error);
/* invert and edit: one photo, with the values of --set. */
CliStatus cli_run_single(const CliOptions *options, CliShow show);
/* FALSE where there would be no place for a file. */
gboolean cli_check_output(const char *path, GError **error);
gboolean cli_make_folder(const char *path, GError **error);

/* ---- project.c: edits that are kept ---- */

/* Whether the photo that was named is a project. */
gboolean cli_is_project(const CliOptions *options);
/* Before anything is computed: whether --project can be written and the photo stays. */
gboolean cli_project_check(const CliOptions *options, GError **error);
/* edit of a project: --set, --inversion and --detail change the face that was chosen last, the rest is as the project has it. */
gboolean cli_project_edit(const CliOptions *options, GError **error);
/* Writes --project of the photo that is open and was edited so. */
gboolean cli_project_save(const CliOptions *options, LkEditor *editor, const char *photo, const float *values,
                          GError **error);

/* ---- items.c: what batch has to do ---- */

typedef struct {
    char *path;   /* of the photo */
    char *output; /* file to write; no other item's, and no photo */
    char *name;   /* of the file without its ending */
    LkFileFormat format;
    GError *error; /* why there is nothing to do, or NULL */
} CliItem;

/* The photos, and those in the folders, among what was named, each once: a GPtrArray of CliItem. An error: a photo would be
 * overwritten. */
GPtrArray *cli_list_items(const CliOptions *options, GError **error);

/* ---- claim.c: one edit in a batch's folder ---- */

/* Refuses a folder that has pictures of another edit, unless they are to be overwritten; else notes in it which edit this is. */
gboolean cli_claim_folder(const CliOptions *options, const LkModel *model, const float *set, GError **error);

/* ---- npy.c: stages as files ---- */

/* The stages of the last picture, the edited code (w_edit.npy) and, if they are not all 0, the offsets of the styles
 * (styles.npy). */
gboolean cli_dump_stages(const CliOptions *options, LkEditor *editor, const char *folder, GError **error);

/* ---- talk.c: to the person, and from the person; any thread ---- */

CliStatus cli_fail(const GError *error); /* prints it as one line on stderr; CLI_FAILED */
void cli_complain(const char *format, ...) G_GNUC_PRINTF(1, 2); /* one line on stderr */
void cli_progress(const CliOptions *options, const char *format, ...) G_GNUC_PRINTF(2, 3);
void cli_catch_signals(void);
GCancellable *cli_cancellable(void); /* cancelled by SIGINT, SIGTERM, SIGHUP */

G_END_DECLS
