/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of projects. What it takes is written again, and must then be read as the same.
 */
#include "fuzz_file.h"
#include "project.h"

#include <string.h>

static char *write_project(const LkProject *project)
{
    g_autofree char *path = fuzz_output("again" LK_PROJECT_SUFFIX);
    GError *error = NULL;
    char *text;

    if (!lk_project_write(project, path, &error) || !g_file_get_contents(path, &text, NULL, &error))
        g_error("%s", error->message);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size, 0);
    GError *error = NULL;
    g_autoptr(LkProject) project = lk_project_read(path, &error), again = NULL;
    g_autofree char *first = NULL, *second = NULL;

    if (project == NULL) {
        fuzz_check_error(error, path);
        return 0;
    }
    first = write_project(project);
    again = lk_project_read(fuzz_file(first, strlen(first), 0), &error);
    if (again == NULL)
        g_error("%s", error->message);
    second = write_project(again);
    g_assert_cmpstr(first, ==, second);
    return 0;
}
