/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_memory.c - arenas, and copies to and from them through one staging arena.
 */
#include <string.h>

#include "vulkan.h"

#define STAGING_SIZE ((gsize)16 << 20)

static int memory_type_find(const LkGpu *gpu, guint32 allowed, VkMemoryPropertyFlags wanted)
{
    const VkPhysicalDeviceMemoryProperties *memory = &gpu->memory_properties;

    for (guint32 i = 0; i < memory->memoryTypeCount; i++)
        if ((allowed & (1u << i)) != 0 && (memory->memoryTypes[i].propertyFlags & wanted) == wanted)
            return (int)i;
    return -1;
}

static int memory_type_for(const LkGpu *gpu, LkArenaUse use, guint32 allowed)
{
    const VkMemoryPropertyFlags host =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    int type;

    if (use == LK_ARENA_DEVICE) {
        type = memory_type_find(gpu, allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
        return type >= 0 ? type : memory_type_find(gpu, allowed, 0);
    }
    /* Reading back from memory that is not cached is very slow. */
    type = memory_type_find(gpu, allowed, host | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    return type >= 0 ? type : memory_type_find(gpu, allowed, host);
}

static VkResult arena_allocate(LkArena *arena)
{
    LkGpu *gpu = arena->gpu;
    const VkBufferCreateInfo buffer = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                       .size = arena->size,
                                       .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                                VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                                VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
    VkMemoryRequirements requirements;
    VkResult result = vkCreateBuffer(gpu->device, &buffer, NULL, &arena->buffer);
    int type;

    if (result != VK_SUCCESS)
        return result;
    vkGetBufferMemoryRequirements(gpu->device, arena->buffer, &requirements);
    type = memory_type_for(gpu, arena->use, requirements.memoryTypeBits);
    if (type < 0)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    memory.allocationSize = requirements.size;
    memory.memoryTypeIndex = (guint32)type;
    if (requirements.size > gpu->info.max_allocation || arena->size > gpu->max_held - gpu->held)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    result = vkAllocateMemory(gpu->device, &memory, NULL, &arena->memory);
    if (result == VK_SUCCESS)
        result = vkBindBufferMemory(gpu->device, arena->buffer, arena->memory, 0);
    if (result == VK_SUCCESS && arena->use == LK_ARENA_HOST)
        result = vkMapMemory(gpu->device, arena->memory, 0, VK_WHOLE_SIZE, 0, (void **)&arena->mapped);
    return result;
}

LkArena *lk_arena_new(LkGpu *gpu, LkArenaUse use, gsize size, GError **error)
{
    LkArena *arena;
    VkResult result;

    if (size == 0) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID, "%s: an arena of 0 bytes", gpu->info.name);
        return NULL;
    }
    if (size > gpu->info.max_allocation) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY,
                    "%s: %" G_GSIZE_FORMAT " MiB is more than the device can give at once", gpu->info.name,
                    size >> 20);
        return NULL;
    }
    arena = g_new0(LkArena, 1);
    arena->gpu = gpu;
    arena->use = use;
    arena->size = size;
    result = arena_allocate(arena);
    gpu->held += size;
    if (result != VK_SUCCESS) {
        g_autofree char *what = g_strdup_printf("allocating %.1f MiB", (double)size / (1 << 20));

        lk_gpu_set_vk_error(gpu, error, result, what);
        lk_arena_free(arena);
        return NULL;
    }
    gpu->peak = MAX(gpu->peak, gpu->held);
    return arena;
}

void lk_arena_free(LkArena *arena)
{
    if (arena == NULL)
        return;
    vkDestroyBuffer(arena->gpu->device, arena->buffer, NULL);
    vkFreeMemory(arena->gpu->device, arena->memory, NULL);
    arena->gpu->held -= arena->size;
    g_free(arena);
}

gsize lk_arena_size(const LkArena *arena)
{
    return arena->size;
}

gboolean lk_gpu_submit(LkGpu *gpu, VkCommandBuffer commands, VkFence fence, GError **error)
{
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
    VkResult result = vkQueueSubmit(gpu->queue, 1, &submit, fence);

    if (result != VK_SUCCESS)
        lk_gpu_set_vk_error(gpu, error, result, "submitting work");
    return result == VK_SUCCESS;
}

gboolean lk_gpu_wait(LkGpu *gpu, VkFence fence, GError **error)
{
    VkResult result = vkWaitForFences(gpu->device, 1, &fence, VK_TRUE, G_MAXUINT64);

    if (result == VK_SUCCESS)
        result = vkResetFences(gpu->device, 1, &fence);
    if (result != VK_SUCCESS)
        lk_gpu_set_vk_error(gpu, error, result, "waiting for the device");
    return result == VK_SUCCESS;
}

/* Every command buffer starts with this, so that work of different submits need not know of each other. */
void lk_commands_begin_barrier(VkCommandBuffer commands)
{
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkAccessFlags accesses = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                   VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = accesses | VK_ACCESS_HOST_WRITE_BIT,
                                     .dstAccessMask = accesses};

    vkCmdPipelineBarrier(commands, stages | VK_PIPELINE_STAGE_HOST_BIT, stages, 0, 1, &barrier, 0, NULL, 0,
                         NULL);
}

/* One copy between an arena and the staging arena, waited for. */
static gboolean copy_now(LkGpu *gpu, VkBuffer from, gsize from_offset, VkBuffer to, gsize to_offset,
                         gsize size, GError **error)
{
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    const VkMemoryBarrier to_host = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    const VkBufferCopy region = {.srcOffset = from_offset, .dstOffset = to_offset, .size = size};
    VkResult result = vkBeginCommandBuffer(gpu->copy_commands, &begin);

    if (result == VK_SUCCESS) {
        lk_commands_begin_barrier(gpu->copy_commands);
        vkCmdCopyBuffer(gpu->copy_commands, from, to, 1, &region);
        vkCmdPipelineBarrier(gpu->copy_commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT,
                             0, 1, &to_host, 0, NULL, 0, NULL);
        result = vkEndCommandBuffer(gpu->copy_commands);
    }
    if (result != VK_SUCCESS) {
        lk_gpu_set_vk_error(gpu, error, result, "recording a copy");
        return FALSE;
    }
    return lk_gpu_submit(gpu, gpu->copy_commands, gpu->fences[0], error) &&
           lk_gpu_wait(gpu, gpu->fences[0], error);
}

static gboolean transfer_check(LkArena *arena, gsize offset, gsize size, GError **error)
{
    if (arena->gpu->lost) {
        lk_gpu_set_vk_error(arena->gpu, error, VK_ERROR_DEVICE_LOST, "copying");
        return FALSE;
    }
    if (offset % 4 == 0 && offset <= arena->size && size <= arena->size - offset)
        return TRUE;
    g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID,
                "%" G_GSIZE_FORMAT " bytes at %" G_GSIZE_FORMAT " of an arena of %" G_GSIZE_FORMAT " bytes",
                size, offset, arena->size);
    return FALSE;
}

static gboolean staging_prepare(LkGpu *gpu, GError **error)
{
    if (gpu->staging == NULL)
        gpu->staging = lk_arena_new(gpu, LK_ARENA_HOST, MIN(STAGING_SIZE, gpu->info.max_allocation), error);
    return gpu->staging != NULL;
}

gboolean lk_arena_write(LkArena *arena, gsize offset, gconstpointer data, gsize size, GError **error)
{
    LkGpu *gpu = arena->gpu;

    if (!transfer_check(arena, offset, size, error))
        return FALSE;
    if (arena->mapped != NULL) {
        memcpy(arena->mapped + offset, data, size);
        return TRUE;
    }
    if (!staging_prepare(gpu, error))
        return FALSE;
    for (gsize done = 0; done < size;) {
        gsize part = MIN(size - done, gpu->staging->size);

        memcpy(gpu->staging->mapped, (const guint8 *)data + done, part);
        if (!copy_now(gpu, gpu->staging->buffer, 0, arena->buffer, offset + done, part, error))
            return FALSE;
        done += part;
    }
    return TRUE;
}

gboolean lk_arena_read(LkArena *arena, gsize offset, gpointer data, gsize size, GError **error)
{
    LkGpu *gpu = arena->gpu;

    if (!transfer_check(arena, offset, size, error))
        return FALSE;
    if (arena->mapped != NULL) {
        memcpy(data, arena->mapped + offset, size);
        return TRUE;
    }
    if (!staging_prepare(gpu, error))
        return FALSE;
    for (gsize done = 0; done < size;) {
        gsize part = MIN(size - done, gpu->staging->size);

        if (!copy_now(gpu, arena->buffer, offset + done, gpu->staging->buffer, 0, part, error))
            return FALSE;
        memcpy((guint8 *)data + done, gpu->staging->mapped, part);
        done += part;
    }
    return TRUE;
}

LkGpu *lk_arena_gpu(const LkArena *arena)
{
    return arena->gpu;
}
