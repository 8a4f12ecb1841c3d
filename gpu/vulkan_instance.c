/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_instance.c - the Vulkan instance, the list of usable devices and the choice among them.
 */
#include <string.h>

#include "vulkan.h"

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"
#define NO_DRIVER        "No Vulkan driver was found; install mesa-vulkan-drivers or your GPU's driver."

/* The least a device must offer. */
enum { MIN_BINDING = 128 << 20, MIN_SHARED = 32 << 10, MIN_PUSH = 128 };

static VkBool32 VKAPI_PTR on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                     VkDebugUtilsMessageTypeFlagsEXT types,
                                     const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    g_atomic_int_inc((gint *)user);
    g_printerr("Vulkan validation: %s\n", data->pMessage);
    return VK_FALSE;
}

static gboolean layer_is_installed(void)
{
    guint32 n = 0;
    g_autofree VkLayerProperties *layers = NULL;

    vkEnumerateInstanceLayerProperties(&n, NULL);
    layers = g_new0(VkLayerProperties, n + 1);
    vkEnumerateInstanceLayerProperties(&n, layers);
    for (guint32 i = 0; i < n; i++)
        if (strcmp(layers[i].layerName, VALIDATION_LAYER) == 0)
            return TRUE;
    return FALSE;
}

static VkResult instance_create(gboolean validate, const VkDebugUtilsMessengerCreateInfoEXT *messenger,
                                VkInstance *instance)
{
    static const char *const layers[] = {VALIDATION_LAYER};
    static const char *const extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
                                             VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
    static const VkValidationFeatureEnableEXT enables[] = {
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
    const VkValidationFeaturesEXT features = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                              .pNext = messenger,
                                              .enabledValidationFeatureCount = G_N_ELEMENTS(enables),
                                              .pEnabledValidationFeatures = enables};
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .pApplicationName = "likeness",
                                           .pEngineName = "likeness-gpu",
                                           .apiVersion = VK_API_VERSION_1_1};
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pNext = validate ? &features : NULL,
                                       .pApplicationInfo = &application,
                                       .enabledLayerCount = validate ? G_N_ELEMENTS(layers) : 0,
                                       .ppEnabledLayerNames = layers,
                                       .enabledExtensionCount = validate ? G_N_ELEMENTS(extensions) : 0,
                                       .ppEnabledExtensionNames = extensions};

    return vkCreateInstance(&info, NULL, instance);
}

gboolean lk_instance_new(gboolean validate, guint *n_messages, VkInstance *instance,
                         VkDebugUtilsMessengerEXT *messenger, GError **error)
{
    const VkDebugUtilsMessengerCreateInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity =
            VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType =
            VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = n_messages};
    VkResult result;

    *messenger = VK_NULL_HANDLE;
    if (validate && !layer_is_installed()) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_FAILED,
                    "Vulkan validation was asked for, but %s is not installed.", VALIDATION_LAYER);
        return FALSE;
    }
    result = instance_create(validate, &info, instance);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        g_set_error_literal(error, LK_GPU_ERROR, LK_GPU_ERROR_NO_DEVICE, NO_DRIVER);
        return FALSE;
    }
    if (result != VK_SUCCESS) {
        lk_gpu_set_vk_error(NULL, error, result, "creating an instance");
        return FALSE;
    }
    if (validate) {
        PFN_vkCreateDebugUtilsMessengerEXT create = (PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
            *instance, "vkCreateDebugUtilsMessengerEXT");
        create(*instance, &info, NULL, messenger);
    }
    return TRUE;
}

void lk_instance_free(VkInstance instance, VkDebugUtilsMessengerEXT messenger)
{
    if (instance == VK_NULL_HANDLE)
        return;
    if (messenger != VK_NULL_HANDLE) {
        PFN_vkDestroyDebugUtilsMessengerEXT destroy =
            (PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(instance,
                                                                       "vkDestroyDebugUtilsMessengerEXT");
        destroy(instance, messenger, NULL);
    }
    vkDestroyInstance(instance, NULL);
}

gboolean lk_queue_family_find(VkPhysicalDevice physical, guint32 *family, guint32 *timestamp_bits)
{
    guint32 n = 0;
    g_autofree VkQueueFamilyProperties *families = NULL;

    vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, NULL);
    families = g_new0(VkQueueFamilyProperties, n + 1);
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, families);
    for (guint32 i = 0; i < n; i++) {
        if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0 || families[i].queueCount == 0)
            continue;
        *family = i;
        *timestamp_bits = families[i].timestampValidBits;
        return TRUE;
    }
    return FALSE;
}

static LkGpuKind kind_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return LK_GPU_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return LK_GPU_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return LK_GPU_SOFTWARE;
    default:
        return LK_GPU_VIRTUAL;
    }
}

static guint64 device_memory(VkPhysicalDevice physical)
{
    VkPhysicalDeviceMemoryProperties memory;
    guint64 largest = 0;

    vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    for (guint32 i = 0; i < memory.memoryHeapCount; i++)
        if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
            largest = MAX(largest, memory.memoryHeaps[i].size);
    return largest;
}

static gboolean has_half_storage(VkPhysicalDevice physical)
{
    VkPhysicalDevice16BitStorageFeatures half = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &half};

    vkGetPhysicalDeviceFeatures2(physical, &features);
    return half.storageBuffer16BitAccess;
}

/* Whether compute programs can read other lanes of their subgroup. */
gboolean lk_has_shuffle(VkPhysicalDevice physical)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType =
                                                       VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &subgroup};

    vkGetPhysicalDeviceProperties2(physical, &all);
    return (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
           (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0;
}

static gboolean is_usable(VkPhysicalDevice physical, const VkPhysicalDeviceProperties *properties)
{
    const VkPhysicalDeviceLimits *limits = &properties->limits;
    guint32 family, bits;

    return properties->apiVersion >= VK_API_VERSION_1_1 && limits->maxStorageBufferRange >= MIN_BINDING &&
           limits->maxComputeSharedMemorySize >= MIN_SHARED && limits->maxPushConstantsSize >= MIN_PUSH &&
           limits->maxPerStageDescriptorStorageBuffers >= LK_N_BINDINGS &&
           lk_queue_family_find(physical, &family, &bits);
}

static char *version_string(guint32 version)
{
    return g_strdup_printf("%u.%u.%u", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
                           VK_API_VERSION_PATCH(version));
}

static char *driver_string(VkPhysicalDevice physical, const VkPhysicalDeviceProperties *properties)
{
    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &driver};

    /* Core in 1.2; a 1.1 device has only the number. */
    if (properties->apiVersion < VK_API_VERSION_1_2)
        return version_string(properties->driverVersion);
    vkGetPhysicalDeviceProperties2(physical, &all);
    return g_strdup_printf("%s %s", driver.driverName, driver.driverInfo);
}

static LkCandidate *candidate_new(VkPhysicalDevice physical, const VkPhysicalDeviceProperties *properties)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType =
                                                       VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceMaintenance3Properties limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = &subgroup};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &limits};
    LkCandidate *candidate = g_new0(LkCandidate, 1);

    vkGetPhysicalDeviceProperties2(physical, &all);
    candidate->physical = physical;
    candidate->info = (LkGpuInfo){.name = g_strdup(properties->deviceName),
                                  .engine = g_strdup("vulkan"),
                                  .driver = driver_string(physical, properties),
                                  .api = version_string(properties->apiVersion),
                                  .kind = kind_of(properties->deviceType),
                                  .half_storage = has_half_storage(physical),
                                  .memory = device_memory(physical),
                                  .max_binding = properties->limits.maxStorageBufferRange,
                                  .max_allocation = limits.maxMemoryAllocationSize,
                                  .shared_memory = properties->limits.maxComputeSharedMemorySize,
                                  .subgroup_size = subgroup.subgroupSize};
    return candidate;
}

void lk_gpu_info_copy(LkGpuInfo *to, const LkGpuInfo *from)
{
    *to = *from;
    to->name = g_strdup(from->name);
    to->engine = g_strdup(from->engine);
    to->driver = g_strdup(from->driver);
    to->api = g_strdup(from->api);
}

void lk_gpu_info_clear(LkGpuInfo *info)
{
    g_free(info->name);
    g_free(info->engine);
    g_free(info->driver);
    g_free(info->api);
}

static void candidate_free(gpointer data)
{
    lk_gpu_info_clear(&((LkCandidate *)data)->info);
    g_free(data);
}

static int compare_candidates(gconstpointer a, gconstpointer b)
{
    const LkGpuInfo *first = &(*(LkCandidate *const *)a)->info, *second = &(*(LkCandidate *const *)b)->info;

    if (first->kind != second->kind)
        return first->kind < second->kind ? -1 : 1;
    if (first->memory != second->memory)
        return first->memory > second->memory ? -1 : 1;
    return strcmp(first->name, second->name);
}

GPtrArray *lk_candidates_new(VkInstance instance, GError **error)
{
    guint32 n = 0;
    g_autofree VkPhysicalDevice *devices = NULL;
    GPtrArray *candidates;
    VkResult result = vkEnumeratePhysicalDevices(instance, &n, NULL);

    if (result == VK_SUCCESS) {
        devices = g_new0(VkPhysicalDevice, n + 1);
        result = vkEnumeratePhysicalDevices(instance, &n, devices);
    }
    if (result < 0) {
        /* Drivers that are installed but cannot start count as no driver. */
        g_set_error_literal(error, LK_GPU_ERROR, LK_GPU_ERROR_NO_DEVICE, NO_DRIVER);
        return NULL;
    }
    candidates = g_ptr_array_new_with_free_func(candidate_free);
    for (guint32 i = 0; i < n; i++) {
        VkPhysicalDeviceProperties properties;

        vkGetPhysicalDeviceProperties(devices[i], &properties);
        if (is_usable(devices[i], &properties))
            g_ptr_array_add(candidates, candidate_new(devices[i], &properties));
    }
    g_ptr_array_sort(candidates, compare_candidates);
    for (guint i = 0; i < candidates->len; i++)
        ((LkCandidate *)candidates->pdata[i])->info.index = i;
    return candidates;
}

static gboolean fits(const LkGpuInfo *info, const char *selector)
{
    g_autofree char *name = NULL, *part = NULL;
    guint64 index;

    if (selector == NULL || g_str_equal(selector, "auto") || g_str_equal(selector, "vulkan"))
        return TRUE;
    if (g_str_equal(selector, "cpu"))
        return info->kind == LK_GPU_SOFTWARE;
    if (g_ascii_string_to_unsigned(selector, 10, 0, G_MAXUINT, &index, NULL))
        return info->index == index;
    name = g_utf8_casefold(info->name, -1);
    part = g_utf8_casefold(selector, -1);
    return *part != '\0' && strstr(name, part) != NULL;
}

const LkCandidate *lk_candidates_choose(GPtrArray *candidates, const char *selector, GError **error)
{
    for (guint i = 0; i < candidates->len; i++) {
        const LkCandidate *candidate = candidates->pdata[i];

        if (fits(&candidate->info, selector))
            return candidate;
    }
    if (candidates->len == 0)
        g_set_error(
            error, LK_GPU_ERROR, LK_GPU_ERROR_NO_DEVICE,
            "No Vulkan device can be used; Likeness needs Vulkan 1.1 with storage buffers of 128 MiB.");
    else
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_NO_DEVICE, "No Vulkan device is called “%s”.",
                    selector);
    return NULL;
}

static void info_free(gpointer data)
{
    lk_gpu_info_clear(data);
    g_free(data);
}

GPtrArray *lk_gpu_list(GError **error)
{
    VkInstance instance = VK_NULL_HANDLE;
    VkDebugUtilsMessengerEXT messenger;
    g_autoptr(GPtrArray) candidates = NULL;
    GPtrArray *list = NULL;
    guint n_messages = 0;

    if (!lk_instance_new(FALSE, &n_messages, &instance, &messenger, error))
        return NULL;
    candidates = lk_candidates_new(instance, error);
    if (candidates != NULL) {
        list = g_ptr_array_new_with_free_func(info_free);
        for (guint i = 0; i < candidates->len; i++) {
            LkGpuInfo *info = g_new0(LkGpuInfo, 1);

            lk_gpu_info_copy(info, &((LkCandidate *)candidates->pdata[i])->info);
            g_ptr_array_add(list, info);
        }
    }
    lk_instance_free(instance, messenger);
    return list;
}

const char *lk_gpu_kind_name(LkGpuKind kind)
{
    static const char *const names[] = {"discrete", "integrated", "virtual", "software"};

    return names[kind];
}
