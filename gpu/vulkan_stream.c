/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_stream.c - ops recorded once as command buffers of bounded work, and replayed.
 */
#include <string.h>

#include "vulkan.h"

typedef struct {
    VkPipeline pipeline;
    VkDescriptorSet set;
    LkDispatch dispatch;
} Step;

struct _LkStream {
    LkGpu *gpu;
    char *name;
    guint64 flops;
    VkDescriptorPool pool;
    VkQueryPool queries; /* two timestamps, where the queue has them */
    GArray *steps;       /* of Step */
    GArray *segments;    /* of VkCommandBuffer, one submit each */
};

/* ---- barriers: what the steps since the last one read and wrote ---------------------------------------------- */

typedef struct {
    GArray *reads, *writes; /* of LkTensor */
} Hazards;

static gboolean overlaps_any(const GArray *tensors, const LkTensor *tensor)
{
    for (guint i = 0; i < tensors->len; i++)
        if (lk_tensors_overlap(&g_array_index(tensors, LkTensor, i), tensor))
            return TRUE;
    return FALSE;
}

static gboolean needs_barrier(const Hazards *hazards, const LkDispatch *dispatch)
{
    for (guint i = 0; i < LK_N_BINDINGS; i++)
        if (overlaps_any(hazards->writes, &dispatch->tensors[i]))
            return TRUE;
    return overlaps_any(hazards->reads, &dispatch->tensors[LK_BIND_Y]);
}

static void hazards_clear(Hazards *hazards)
{
    g_array_set_size(hazards->reads, 0);
    g_array_set_size(hazards->writes, 0);
}

static void hazards_add(Hazards *hazards, const LkDispatch *dispatch)
{
    g_array_append_val(hazards->writes, dispatch->tensors[LK_BIND_Y]);
    for (guint i = 0; i < LK_N_BINDINGS; i++)
        if (i != LK_BIND_Y && dispatch->tensors[i].arena != NULL)
            g_array_append_val(hazards->reads, dispatch->tensors[i]);
}

static void record_barrier(VkCommandBuffer commands, VkPipelineStageFlags stage, VkAccessFlags access)
{
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                     .dstAccessMask = access};

    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, stage, 0, 1, &barrier, 0, NULL, 0,
                         NULL);
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

/* A dispatch with more work than a submit should have becomes several along z. */
static void append_split(LkStream *stream, const LkDispatch *dispatch)
{
    guint64 budget = stream->gpu->tiles->submit_flops;
    guint32 layers = dispatch->groups[2];
    guint32 parts = (guint32)CLAMP((dispatch->flops + budget - 1) / budget, 1, layers);
    guint32 each = (layers + parts - 1) / parts;

    for (guint32 first = 0; first < layers; first += each) {
        Step step = {.dispatch = *dispatch};

        step.dispatch.groups[2] = MIN(each, layers - first);
        step.dispatch.push.first_group = first;
        step.dispatch.flops = dispatch->flops * step.dispatch.groups[2] / layers;
        g_array_append_val(stream->steps, step);
    }
}

static gboolean steps_build(LkStream *stream, const LkOp *ops, gsize n, GError **error)
{
    LkGpu *gpu = stream->gpu;
    const LkOpLimits limits = {gpu, gpu->info.half_storage, gpu->info.max_binding};
    g_autoptr(GArray) dispatches = g_array_new(FALSE, FALSE, sizeof(LkDispatch));

    for (gsize i = 0; i < n; i++) {
        if (!lk_op_check(&limits, &ops[i], error)) {
            g_prefix_error(error, "%s, op %" G_GSIZE_FORMAT ": ", stream->name, i);
            return FALSE;
        }
        stream->flops += lk_op_flops(&ops[i]);
        lk_op_lower(gpu, &ops[i], dispatches);
    }
    for (guint i = 0; i < dispatches->len; i++)
        append_split(stream, &g_array_index(dispatches, LkDispatch, i));
    for (guint i = 0; i < stream->steps->len; i++) {
        Step *step = &g_array_index(stream->steps, Step, i);

        step->pipeline = lk_pipeline_get(gpu, &step->dispatch.key, error);
        if (step->pipeline == VK_NULL_HANDLE)
            return FALSE;
    }
    return TRUE;
}

static gboolean pool_create(LkStream *stream, GError **error)
{
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, LK_N_BINDINGS * stream->steps->len};
    const VkDescriptorPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = stream->steps->len,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
    VkResult result = vkCreateDescriptorPool(stream->gpu->device, &info, NULL, &stream->pool);

    if (result != VK_SUCCESS)
        lk_gpu_set_vk_error(stream->gpu, error, result, "making descriptors");
    return result == VK_SUCCESS;
}

/* Tensors that are absent are bound to y, whose contents the program then does not read there. */
static void set_write(LkStream *stream, Step *step)
{
    VkDescriptorBufferInfo buffers[LK_N_BINDINGS];
    VkWriteDescriptorSet writes[LK_N_BINDINGS];

    for (guint i = 0; i < LK_N_BINDINGS; i++) {
        const LkTensor *tensor = &step->dispatch.tensors[i];
        gsize beyond;

        if (tensor->arena == NULL)
            tensor = &step->dispatch.tensors[LK_BIND_Y];
        beyond = tensor->offset % LK_ARENA_ALIGN;
        buffers[i] = (VkDescriptorBufferInfo){tensor->arena->buffer, tensor->offset - beyond,
                                              MIN((lk_tensor_bytes(tensor) + beyond + 15) / 16 * 16,
                                                  tensor->arena->size - tensor->offset + beyond)};
        writes[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = step->set,
                                           .dstBinding = i,
                                           .descriptorCount = 1,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                           .pBufferInfo = &buffers[i]};
    }
    vkUpdateDescriptorSets(stream->gpu->device, LK_N_BINDINGS, writes, 0, NULL);
}

static gboolean sets_create(LkStream *stream, GError **error)
{
    LkGpu *gpu = stream->gpu;
    const VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                              .descriptorPool = stream->pool,
                                              .descriptorSetCount = 1,
                                              .pSetLayouts = &gpu->set_layout};

    for (guint i = 0; i < stream->steps->len; i++) {
        Step *step = &g_array_index(stream->steps, Step, i);
        VkResult result = vkAllocateDescriptorSets(gpu->device, &info, &step->set);

        if (result != VK_SUCCESS) {
            lk_gpu_set_vk_error(gpu, error, result, "making descriptors");
            return FALSE;
        }
        set_write(stream, step);
    }
    return TRUE;
}

/* ---- recording ----------------------------------------------------------------------------------------------- */

static void record_step(LkGpu *gpu, VkCommandBuffer commands, const Step *step)
{
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, step->pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, gpu->pipeline_layout, 0, 1, &step->set,
                            0, NULL);
    vkCmdPushConstants(commands, gpu->pipeline_layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(LkPush),
                       &step->dispatch.push);
    vkCmdDispatch(commands, step->dispatch.groups[0], step->dispatch.groups[1], step->dispatch.groups[2]);
}

static void record_steps(LkStream *stream, VkCommandBuffer commands, guint first, guint end)
{
    Hazards hazards = {g_array_new(FALSE, FALSE, sizeof(LkTensor)),
                       g_array_new(FALSE, FALSE, sizeof(LkTensor))};

    for (guint i = first; i < end; i++) {
        const Step *step = &g_array_index(stream->steps, Step, i);
        /* Parts of one dispatch write to the same tensor, but not to the same elements. */
        gboolean same = i > first && step->dispatch.push.first_group > 0;

        if (!same && needs_barrier(&hazards, &step->dispatch)) {
            record_barrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                           VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
            hazards_clear(&hazards);
        }
        hazards_add(&hazards, &step->dispatch);
        record_step(stream->gpu, commands, step);
    }
    g_array_unref(hazards.reads);
    g_array_unref(hazards.writes);
}

static VkResult segment_record(LkStream *stream, guint first, guint end)
{
    LkGpu *gpu = stream->gpu;
    const VkCommandBufferAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                  .commandPool = gpu->command_pool,
                                                  .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                  .commandBufferCount = 1};
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkCommandBuffer commands;
    VkResult result = vkAllocateCommandBuffers(gpu->device, &allocate, &commands);

    if (result != VK_SUCCESS)
        return result;
    g_array_append_val(stream->segments, commands);
    result = vkBeginCommandBuffer(commands, &begin);
    if (result != VK_SUCCESS)
        return result;
    if (first == 0 && stream->queries != VK_NULL_HANDLE) {
        vkCmdResetQueryPool(commands, stream->queries, 0, 2);
        vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, stream->queries, 0);
    }
    lk_commands_begin_barrier(commands);
    record_steps(stream, commands, first, end);
    if (end == stream->steps->len && stream->queries != VK_NULL_HANDLE)
        vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, stream->queries, 1);
    record_barrier(commands, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
    return vkEndCommandBuffer(commands);
}

/* Cuts the steps so that no segment has more than the budget, except where one step alone does. */
static gboolean segments_record(LkStream *stream, GError **error)
{
    LkGpu *gpu = stream->gpu;
    guint64 work = 0;
    guint first = 0;
    VkResult result = VK_SUCCESS;

    for (guint i = 0; i < stream->steps->len && result == VK_SUCCESS; i++) {
        guint64 flops = g_array_index(stream->steps, Step, i).dispatch.flops;

        if (i > first && work + flops > gpu->tiles->submit_flops) {
            result = segment_record(stream, first, i);
            first = i;
            work = 0;
        }
        work += flops;
    }
    if (result == VK_SUCCESS && first < stream->steps->len)
        result = segment_record(stream, first, stream->steps->len);
    if (result != VK_SUCCESS)
        lk_gpu_set_vk_error(gpu, error, result, "recording work");
    return result == VK_SUCCESS;
}

static gboolean queries_create(LkStream *stream, GError **error)
{
    const VkQueryPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                        .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                        .queryCount = 2};
    VkResult result = VK_SUCCESS;

    if (stream->gpu->timestamp_bits > 0)
        result = vkCreateQueryPool(stream->gpu->device, &info, NULL, &stream->queries);
    if (result != VK_SUCCESS)
        lk_gpu_set_vk_error(stream->gpu, error, result, "making timers");
    return result == VK_SUCCESS;
}

LkStream *lk_stream_new(LkGpu *gpu, const char *name, const LkOp *ops, gsize n, GError **error)
{
    LkStream *stream;

    if (gpu->lost) {
        lk_gpu_set_vk_error(gpu, error, VK_ERROR_DEVICE_LOST, "recording work");
        return NULL;
    }
    stream = g_new0(LkStream, 1);
    stream->gpu = gpu;
    stream->name = g_strdup(name);
    stream->steps = g_array_new(FALSE, FALSE, sizeof(Step));
    stream->segments = g_array_new(FALSE, FALSE, sizeof(VkCommandBuffer));
    if (steps_build(stream, ops, n, error) &&
        (stream->steps->len == 0 || (pool_create(stream, error) && sets_create(stream, error) &&
                                     queries_create(stream, error) && segments_record(stream, error))))
        return stream;
    lk_stream_free(stream);
    return NULL;
}

void lk_stream_free(LkStream *stream)
{
    LkGpu *gpu;

    if (stream == NULL)
        return;
    gpu = stream->gpu;
    if (stream->segments->len > 0)
        vkFreeCommandBuffers(gpu->device, gpu->command_pool, stream->segments->len,
                             (VkCommandBuffer *)(gpointer)stream->segments->data);
    vkDestroyQueryPool(gpu->device, stream->queries, NULL);
    vkDestroyDescriptorPool(gpu->device, stream->pool, NULL);
    g_array_unref(stream->segments);
    g_array_unref(stream->steps);
    g_free(stream->name);
    g_free(stream);
}

const char *lk_stream_name(const LkStream *stream)
{
    return stream->name;
}

guint64 lk_stream_flops(const LkStream *stream)
{
    return stream->flops;
}

/* ---- running ------------------------------------------------------------------------------------------------- */

/* Two submits are under way at most: the device does not wait for the host, and a cancel waits for little. */
typedef struct {
    LkGpu *gpu;
    guint n_submitted, n_waited;
} Flight;

static gboolean flight_wait(Flight *flight, guint until, GError **error)
{
    LkGpu *gpu = flight->gpu;

    while (flight->n_waited < until) {
        VkFence fence = gpu->fences[flight->n_waited % G_N_ELEMENTS(gpu->fences)];

        flight->n_waited++;
        if (!lk_gpu_wait(gpu, fence, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean flight_submit(Flight *flight, VkCommandBuffer commands, GError **error)
{
    LkGpu *gpu = flight->gpu;
    guint n_fences = G_N_ELEMENTS(gpu->fences);

    if (flight->n_submitted >= n_fences && !flight_wait(flight, flight->n_submitted - n_fences + 1, error))
        return FALSE;
    if (!lk_gpu_submit(gpu, commands, gpu->fences[flight->n_submitted % n_fences], error))
        return FALSE;
    flight->n_submitted++;
    return TRUE;
}

static double stream_seconds(const LkStream *stream)
{
    const LkGpu *gpu = stream->gpu;
    guint64 ticks[2],
        mask = gpu->timestamp_bits >= 64 ? G_MAXUINT64 : ((guint64)1 << gpu->timestamp_bits) - 1;

    if (stream->queries == VK_NULL_HANDLE ||
        vkGetQueryPoolResults(gpu->device, stream->queries, 0, 2, sizeof ticks, ticks, sizeof ticks[0],
                              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT) != VK_SUCCESS)
        return 0;
    return (double)((ticks[1] - ticks[0]) & mask) * (double)gpu->limits.timestampPeriod * 1e-9;
}

static gboolean flight_submit_stream(Flight *flight, const LkStream *stream, GCancellable *cancellable,
                                     GError **error)
{
    for (guint i = 0; i < stream->segments->len; i++)
        if (g_cancellable_set_error_if_cancelled(cancellable, error) ||
            !flight_submit(flight, g_array_index(stream->segments, VkCommandBuffer, i), error))
            return FALSE;
    return TRUE;
}

/* A stream that comes twice must have finished before its commands are submitted again. */
static gboolean comes_before(LkStream *const *streams, gsize at)
{
    for (gsize i = 0; i < at; i++)
        if (streams[i] == streams[at])
            return TRUE;
    return FALSE;
}

gboolean lk_gpu_run(LkGpu *gpu, LkStream *const *streams, gsize n, GCancellable *cancellable, double *seconds,
                    GError **error)
{
    Flight flight = {.gpu = gpu};
    gboolean ok = TRUE;

    if (gpu->lost) {
        lk_gpu_set_vk_error(gpu, error, VK_ERROR_DEVICE_LOST, "running work");
        return FALSE;
    }
    for (gsize i = 0; i < n && ok; i++) {
        gint64 start;

        if (seconds != NULL || comes_before(streams, i))
            ok = flight_wait(&flight, flight.n_submitted, error);
        start = g_get_monotonic_time();
        ok = ok && flight_submit_stream(&flight, streams[i], cancellable, error);
        if (seconds == NULL || !ok)
            continue;
        ok = flight_wait(&flight, flight.n_submitted, error);
        seconds[i] = stream_seconds(streams[i]);
        if (seconds[i] == 0)
            seconds[i] = (double)(g_get_monotonic_time() - start) * 1e-6;
    }
    /* Whatever went wrong first is what is reported; the device must be idle in any case. */
    if (!flight_wait(&flight, flight.n_submitted, ok ? error : NULL))
        ok = FALSE;
    return ok;
}
