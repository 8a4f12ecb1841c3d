/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "application.h"
#include "likeness-resources.h"
#include "window.h"

#include <glib/gi18n.h>

struct _LkApplication {
    AdwApplication parent_instance;

    char *model, *device; /* of the command line; NULL: the usual ones */
};

G_DEFINE_FINAL_TYPE(LkApplication, lk_application, ADW_TYPE_APPLICATION)

static const struct {
    const char *action;
    const char *keys[4];
} shortcuts[] = {
    {"app.quit", {"<Control>q"}},
    {"window.close", {"<Control>w"}},
    {"win.open", {"<Control>o"}},
    {"win.save", {"<Control>s"}},
    {"win.save-as", {"<Control><Shift>s"}},
    {"win.export", {"<Control>e"}},
    {"win.undo", {"<Control>z"}},
    {"win.redo", {"<Control><Shift>z", "<Control>y"}},
    {"win.reset", {"<Control>r"}},
    {"win.zoom-in", {"<Control>plus", "<Control>equal", "<Control>KP_Add"}},
    {"win.zoom-out", {"<Control>minus", "<Control>KP_Subtract"}},
    {"win.zoom-fit", {"<Control>0", "<Control>KP_0"}},
    {"win.zoom-pixels", {"<Control>1", "<Control>KP_1"}},
    {"win.show-panel", {"F9"}},
    {"win.search", {"<Control>f"}},
    {"win.next-face", {"<Control>Page_Down"}},
    {"win.place-face", {"<Control>h"}},
};

static LkWindow *get_window(LkApplication *application)
{
    GtkWindow *window = gtk_application_get_active_window(GTK_APPLICATION(application));

    if (window != NULL)
        return LK_WINDOW(window);
    return lk_window_new(ADW_APPLICATION(application), application->model, application->device);
}

static void lk_application_activate(GApplication *application)
{
    gtk_window_present(GTK_WINDOW(get_window(LK_APPLICATION(application))));
}

/* One photo at a time: of several the first. */
static void lk_application_open(GApplication *application, GFile **files, int n_files, const char *hint)
{
    LkWindow *window = get_window(LK_APPLICATION(application));
    g_autoptr(GListStore) list = g_list_store_new(G_TYPE_FILE);

    for (int i = 0; i < n_files; i++)
        g_list_store_append(list, files[i]);
    gtk_window_present(GTK_WINDOW(window));
    lk_window_take_files(window, G_LIST_MODEL(list));
}

static int lk_application_handle_local_options(GApplication *app, GVariantDict *options)
{
    LkApplication *application = LK_APPLICATION(app);

    if (g_variant_dict_contains(options, "version")) {
        g_print("%s %s\n", _("Likeness"), LK_VERSION);
        return 0;
    }
    g_variant_dict_lookup(options, "model", "^ay", &application->model);
    g_variant_dict_lookup(options, "device", "s", &application->device);
    return -1;
}

static void on_quit(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    GList *windows = gtk_application_get_windows(GTK_APPLICATION(data));

    while (windows != NULL) {
        GtkWindow *window = windows->data;
        windows = windows->next;
        gtk_window_close(window);
    }
}

static void on_about(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    GtkWindow *parent = gtk_application_get_active_window(GTK_APPLICATION(data));
    GtkWidget *about = adw_about_window_new();

    g_object_set(
        about, "transient-for", parent, "modal", TRUE, "application-name", _("Likeness"), "application-icon",
        LK_APP_ID, "version", LK_VERSION, "developer-name", _("The Likeness authors"), "license-type",
        GTK_LICENSE_GPL_3_0, "comments",
        _("Edits the portrait in a photo by sliders. It works on this computer alone: no photo leaves it."),
        /* Translators: your name, and an address if you like; one translator a line */
        "translator-credits", _("translator-credits"), NULL);
    adw_about_window_add_legal_section(
        ADW_ABOUT_WINDOW(about), _("Method"), NULL, GTK_LICENSE_CUSTOM,
        "StyleRes: Transforming the Residuals for Real Image Editing with StyleGAN, "
        "<a href=\"https://arxiv.org/abs/2212.14359\">arXiv 2212.14359</a>");
    gtk_window_present(GTK_WINDOW(about));
}

static void lk_application_startup(GApplication *application)
{
    static const GActionEntry actions[] = {{"quit", on_quit}, {"about", on_about}};

    g_resources_register(lk_get_resource());
    G_APPLICATION_CLASS(lk_application_parent_class)->startup(application);
    g_action_map_add_action_entries(G_ACTION_MAP(application), actions, G_N_ELEMENTS(actions), application);
    for (guint i = 0; i < G_N_ELEMENTS(shortcuts); i++)
        gtk_application_set_accels_for_action(GTK_APPLICATION(application), shortcuts[i].action,
                                              shortcuts[i].keys);
    gtk_window_set_default_icon_name(LK_APP_ID);
}

static void lk_application_finalize(GObject *object)
{
    LkApplication *application = LK_APPLICATION(object);

    g_free(application->model);
    g_free(application->device);
    G_OBJECT_CLASS(lk_application_parent_class)->finalize(object);
}

static void lk_application_class_init(LkApplicationClass *klass)
{
    GApplicationClass *application_class = G_APPLICATION_CLASS(klass);

    G_OBJECT_CLASS(klass)->finalize = lk_application_finalize;
    application_class->startup = lk_application_startup;
    application_class->activate = lk_application_activate;
    application_class->open = lk_application_open;
    application_class->handle_local_options = lk_application_handle_local_options;
}

static void lk_application_init(LkApplication *application)
{
    static const GOptionEntry options[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, NULL, N_("Use this model file"), N_("FILE")},
        {"device", 0, 0, G_OPTION_ARG_STRING, NULL, N_("Compute on this device"), N_("auto|cpu|INDEX|NAME")},
        {"version", 0, 0, G_OPTION_ARG_NONE, NULL, N_("Print the version and exit"), NULL},
        {NULL},
    };

    g_application_add_main_option_entries(G_APPLICATION(application), options);
    g_application_set_option_context_parameter_string(G_APPLICATION(application), _("[PHOTO]"));
    g_application_set_option_context_summary(G_APPLICATION(application),
                                             _("Edits the portrait in a photo by sliders."));
}

GtkApplication *lk_application_new(void)
{
    return g_object_new(LK_TYPE_APPLICATION, "application-id", LK_APP_ID, "flags", G_APPLICATION_HANDLES_OPEN,
                        NULL);
}
