/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "labels.h"
#include "model.h"

#include <glib/gi18n.h>
#include <string.h>

/* Of the built-in model and of the published edits. They are in no order: gettext looks them up. */
static const char *const known_labels[] G_GNUC_UNUSED = {
    N_("Age"),
    N_("Smile"),
    N_("Pose"),
    N_("Hair lightness"),
    /* GradCtrl */
    N_("Gender"),
    N_("Eyeglasses"),
    /* StyleCLIP; the others are named after people */
    N_("Afro"),
    N_("Angry"),
    N_("Bobcut"),
    N_("Bowlcut"),
    N_("Curly hair"),
    N_("Mohawk"),
    N_("Purple hair"),
    N_("Surprised"),
    /* GANSpace */
    N_("Background blur"),
    N_("Bald"),
    N_("Big smile"),
    N_("Boyishness"),
    N_("Caricature smile"),
    N_("Dark bg shiny hair"),
    N_("Dark hair"),
    N_("Dark hair and light pos"),
    N_("Disgusted"),
    N_("Displeased"),
    N_("Elderly woman"),
    N_("Eye openness"),
    N_("Eye wrinkles"),
    N_("Eyebrow thickness"),
    N_("Face roundness"),
    N_("Fearful eyes"),
    N_("Frizzy hair"),
    N_("Hairline"),
    N_("Happy elderly lady"),
    N_("Happy frizzy hair"),
    N_("Head angle up"),
    N_("Huge grin"),
    N_("In awe"),
    N_("Large jaw"),
    N_("Light lr"),
    N_("Lipstick"),
    N_("Lipstick and age"),
    N_("Mascara vs beard"),
    N_("Nose length"),
    N_("Overexposed"),
    N_("Scary eyes"),
    N_("Screaming"),
    N_("Short face"),
    N_("Show front teeth"),
    N_("Straight bowl cut"),
    N_("Sunlight in face"),
    N_("Trimmed beard"),
    N_("White hair"),
    N_("Wide smile"),
    N_("Wrinkles"),
};

static const struct {
    const char *name, *heading;
} known_groups[] = {
    {"", N_("Sliders")},
    {"face", N_("Face")},
    {"hair", N_("Hair")},
    {"head", N_("Head")},
    {"light", N_("Light")},
    /* The published edits' groups are called after their methods, in every language. */
    {"interfacegan", "InterfaceGAN"},
    {"ganspace", "GANSpace"},
    {"styleclip", "StyleCLIP"},
    {"gradctrl", "GradCtrl"},
    {"stylespace", "StyleSpace"},
};

const char *lk_label_of_direction(const char *label)
{
    /* gettext's answer to "" is the translation's header. */
    return *label != '\0' ? _(label) : label;
}

const char *lk_label_of_group(const char *group)
{
    for (guint i = 0; i < G_N_ELEMENTS(known_groups); i++)
        if (g_str_equal(known_groups[i].name, group))
            return _(known_groups[i].heading);
    return group;
}

char *lk_label_of_model(const char *path)
{
    g_autofree char *builtin = lk_model_builtin_path();
    char *name;

    if (strcmp(path, builtin) == 0)
        return g_strdup(C_("model", "Built-in"));
    name = g_filename_display_basename(path);
    if (g_str_has_suffix(name, LK_MODEL_SUFFIX))
        name[strlen(name) - strlen(LK_MODEL_SUFFIX)] = '\0';
    return name;
}
