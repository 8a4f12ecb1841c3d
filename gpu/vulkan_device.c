/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_device.c - opening and closing a device.
 */
#include "vulkan.h"

static gboolean device_create(LkGpu *gpu, GError **error)
{
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = gpu->queue_family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    VkPhysicalDevice16BitStorageFeatures half = {.sType =
                                                     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
                                                 .storageBuffer16BitAccess = gpu->info.half_storage};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .pNext = &half,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue};
    VkResult result = vkCreateDevice(gpu->physical, &info, NULL, &gpu->device);

    if (result != VK_SUCCESS) {
        gpu->device = VK_NULL_HANDLE;
        lk_gpu_set_vk_error(gpu, error, result, "opening the device");
        return FALSE;
    }
    vkGetDeviceQueue(gpu->device, gpu->queue_family, 0, &gpu->queue);
    return TRUE;
}

static gboolean commands_create(LkGpu *gpu, GError **error)
{
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                          .queueFamilyIndex = gpu->queue_family};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkCommandBufferAllocateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                            .commandBufferCount = 1};
    VkResult result = vkCreateCommandPool(gpu->device, &pool, NULL, &gpu->command_pool);

    if (result == VK_SUCCESS) {
        commands.commandPool = gpu->command_pool;
        result = vkAllocateCommandBuffers(gpu->device, &commands, &gpu->copy_commands);
    }
    for (guint i = 0; i < G_N_ELEMENTS(gpu->fences) && result == VK_SUCCESS; i++)
        result = vkCreateFence(gpu->device, &fence, NULL, &gpu->fences[i]);
    if (result != VK_SUCCESS)
        lk_gpu_set_vk_error(gpu, error, result, "opening the device");
    return result == VK_SUCCESS;
}

/* Tests make a device smaller than it is. */
static void lower_limit(guint64 *limit, const char *variable)
{
    const char *bytes = g_getenv(variable);
    guint64 lower;

    if (bytes != NULL && g_ascii_string_to_unsigned(bytes, 10, 1, G_MAXUINT64, &lower, NULL))
        *limit = MIN(*limit, lower);
}

static void lower_limits(LkGpu *gpu)
{
    gpu->max_held = G_MAXUINT64;
    lower_limit(&gpu->max_held, "LIKENESS_MAX_MEMORY");
    lower_limit(&gpu->info.max_allocation, "LIKENESS_MAX_ALLOCATION");
    lower_limit(&gpu->info.max_binding, "LIKENESS_MAX_BINDING");
}

static gboolean gpu_choose(LkGpu *gpu, const char *selector, GError **error)
{
    g_autoptr(GPtrArray) candidates = lk_candidates_new(gpu->instance, error);
    const LkCandidate *candidate;
    VkPhysicalDeviceProperties properties;

    if (candidates == NULL)
        return FALSE;
    candidate = lk_candidates_choose(candidates, selector, error);
    if (candidate == NULL)
        return FALSE;
    gpu->physical = candidate->physical;
    lk_gpu_info_copy(&gpu->info, &candidate->info);
    lower_limits(gpu);
    vkGetPhysicalDeviceProperties(gpu->physical, &properties);
    gpu->limits = properties.limits;
    vkGetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory_properties);
    gpu->tiles = lk_tiles_for(&gpu->info, lk_has_shuffle(gpu->physical));
    return lk_queue_family_find(gpu->physical, &gpu->queue_family, &gpu->timestamp_bits);
}

LkGpu *lk_gpu_open(const char *selector, LkGpuFlags flags, GError **error)
{
    LkGpu *gpu = g_new0(LkGpu, 1);
    gboolean validate = (flags & LK_GPU_VALIDATE) != 0 || g_strcmp0(g_getenv("LIKENESS_VALIDATE"), "1") == 0;

    if (lk_instance_new(validate, &gpu->n_messages, &gpu->instance, &gpu->messenger, error) &&
        gpu_choose(gpu, selector, error) && device_create(gpu, error) && commands_create(gpu, error) &&
        lk_programs_init(gpu, flags, error))
        return gpu;
    lk_gpu_free(gpu);
    return NULL;
}

void lk_gpu_free(LkGpu *gpu)
{
    if (gpu == NULL)
        return;
    if (gpu->device != VK_NULL_HANDLE) {
        vkDeviceWaitIdle(gpu->device);
        lk_arena_free(gpu->staging);
        lk_programs_clear(gpu);
        for (guint i = 0; i < G_N_ELEMENTS(gpu->fences); i++)
            vkDestroyFence(gpu->device, gpu->fences[i], NULL);
        vkDestroyCommandPool(gpu->device, gpu->command_pool, NULL);
        vkDestroyDevice(gpu->device, NULL);
    }
    lk_instance_free(gpu->instance, gpu->messenger);
    lk_gpu_info_clear(&gpu->info);
    g_free(gpu);
}

const LkGpuInfo *lk_gpu_info(const LkGpu *gpu)
{
    return &gpu->info;
}

guint lk_gpu_n_messages(const LkGpu *gpu)
{
    return (guint)g_atomic_int_get((const gint *)&gpu->n_messages);
}

void lk_gpu_memory(const LkGpu *gpu, guint64 *held, guint64 *peak)
{
    if (held != NULL)
        *held = gpu->held;
    if (peak != NULL)
        *peak = gpu->peak;
}
