/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_program.c - the embedded programs, and pipelines made from them as they are needed.
 */
#include <string.h>

#include "vulkan.h"
#include "shaders.h"

typedef struct {
    LkPipelineKey key;
    VkPipeline pipeline;
} PipelineEntry;

static const LkShaderCode *code_of(LkProgram program, gboolean halves)
{
    return &lk_shaders[program][halves ? 1 : 0];
}

const char *lk_shaders_digest(void)
{
    static char *text;

    if (g_once_init_enter(&text)) {
        g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);

        for (guint program = 0; program < LK_N_PROGRAMS; program++)
            for (guint halves = 0; halves < 2; halves++) {
                const LkShaderCode *code = code_of(program, halves);

                g_checksum_update(checksum, (const guchar *)code->words, (gssize)code->size);
            }
        g_once_init_leave(&text, g_strdup(g_checksum_get_string(checksum)));
    }
    return text;
}

static guint key_hash(gconstpointer data)
{
    const LkPipelineKey *key = data;
    guint hash = key->program;

    for (guint i = 0; i < LK_MAX_SPEC; i++)
        hash = hash * 31 + key->spec[i];
    return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(LkPipelineKey)) == 0;
}

static VkResult layouts_create(LkGpu *gpu)
{
    VkDescriptorSetLayoutBinding bindings[LK_N_BINDINGS];
    const VkDescriptorSetLayoutCreateInfo set = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                 .bindingCount = LK_N_BINDINGS,
                                                 .pBindings = bindings};
    const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = sizeof(LkPush)};
    VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                         .setLayoutCount = 1,
                                         .pSetLayouts = &gpu->set_layout,
                                         .pushConstantRangeCount = 1,
                                         .pPushConstantRanges = &push};
    VkResult result;

    for (guint i = 0; i < LK_N_BINDINGS; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){.binding = i,
                                                     .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                     .descriptorCount = 1,
                                                     .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    result = vkCreateDescriptorSetLayout(gpu->device, &set, NULL, &gpu->set_layout);
    return result == VK_SUCCESS ? vkCreatePipelineLayout(gpu->device, &layout, NULL, &gpu->pipeline_layout)
                                : result;
}

static VkResult cache_create(LkGpu *gpu, LkGpuFlags flags)
{
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id};
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    g_autoptr(GBytes) stored = NULL;

    if ((flags & LK_GPU_NO_CACHE) == 0) {
        vkGetPhysicalDeviceProperties2(gpu->physical, &all);
        gpu->cache_path = lk_cache_path(&all.properties, id.deviceUUID);
        stored = lk_cache_read(gpu->cache_path);
    }
    if (stored != NULL)
        info.pInitialData = g_bytes_get_data(stored, &info.initialDataSize);
    return vkCreatePipelineCache(gpu->device, &info, NULL, &gpu->pipeline_cache);
}

gboolean lk_programs_init(LkGpu *gpu, LkGpuFlags flags, GError **error)
{
    VkResult result = layouts_create(gpu);

    gpu->pipelines = g_hash_table_new(key_hash, key_equal);
    if (result == VK_SUCCESS)
        result = cache_create(gpu, flags);
    if (result != VK_SUCCESS)
        lk_gpu_set_vk_error(gpu, error, result, "opening the device");
    return result == VK_SUCCESS;
}

static void cache_store(LkGpu *gpu)
{
    g_autofree guint8 *data = NULL;
    gsize size = 0;

    if (gpu->cache_path == NULL || gpu->n_compiled == 0 || gpu->lost ||
        vkGetPipelineCacheData(gpu->device, gpu->pipeline_cache, &size, NULL) != VK_SUCCESS || size == 0)
        return;
    data = g_malloc(size);
    if (vkGetPipelineCacheData(gpu->device, gpu->pipeline_cache, &size, data) == VK_SUCCESS)
        lk_cache_write(gpu->cache_path, data, size);
}

void lk_programs_clear(LkGpu *gpu)
{
    GHashTableIter iter;
    gpointer value;

    if (gpu->pipelines == NULL)
        return;
    cache_store(gpu);
    g_hash_table_iter_init(&iter, gpu->pipelines);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        vkDestroyPipeline(gpu->device, ((PipelineEntry *)value)->pipeline, NULL);
        g_free(value);
    }
    g_hash_table_destroy(gpu->pipelines);
    for (guint program = 0; program < LK_N_PROGRAMS; program++)
        for (guint halves = 0; halves < 2; halves++)
            vkDestroyShaderModule(gpu->device, gpu->modules[program][halves], NULL);
    vkDestroyPipelineCache(gpu->device, gpu->pipeline_cache, NULL);
    vkDestroyPipelineLayout(gpu->device, gpu->pipeline_layout, NULL);
    vkDestroyDescriptorSetLayout(gpu->device, gpu->set_layout, NULL);
    g_free(gpu->cache_path);
}

static VkResult module_get(LkGpu *gpu, LkProgram program, gboolean halves, VkShaderModule *module)
{
    VkShaderModule *slot = &gpu->modules[program][halves ? 1 : 0];
    const LkShaderCode *code = code_of(program, halves);
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = code->size, .pCode = code->words};
    VkResult result = VK_SUCCESS;

    if (*slot == VK_NULL_HANDLE)
        result = vkCreateShaderModule(gpu->device, &info, NULL, slot);
    *module = *slot;
    return result;
}

static VkResult pipeline_create(LkGpu *gpu, const LkPipelineKey *key, VkPipeline *pipeline)
{
    VkSpecializationMapEntry map[LK_MAX_SPEC];
    const VkSpecializationInfo specialization = {
        .mapEntryCount = LK_MAX_SPEC, .pMapEntries = map, .dataSize = sizeof key->spec, .pData = key->spec};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .pName = "main",
                  .pSpecializationInfo = &specialization},
        .layout = gpu->pipeline_layout};
    VkResult result = module_get(gpu, key->program, key->spec[LK_SPEC_HALVES] != 0, &info.stage.module);

    for (guint32 i = 0; i < LK_MAX_SPEC; i++)
        map[i] = (VkSpecializationMapEntry){.constantID = i, .offset = i * 4, .size = 4};
    if (result == VK_SUCCESS)
        result = vkCreateComputePipelines(gpu->device, gpu->pipeline_cache, 1, &info, NULL, pipeline);
    return result;
}

VkPipeline lk_pipeline_get(LkGpu *gpu, const LkPipelineKey *key, GError **error)
{
    PipelineEntry *entry = g_hash_table_lookup(gpu->pipelines, key);
    VkPipeline pipeline = VK_NULL_HANDLE;
    VkResult result;

    if (entry != NULL)
        return entry->pipeline;
    result = pipeline_create(gpu, key, &pipeline);
    if (result != VK_SUCCESS) {
        lk_gpu_set_vk_error(gpu, error, result, "compiling a program");
        return VK_NULL_HANDLE;
    }
    entry = g_new0(PipelineEntry, 1);
    entry->key = *key;
    entry->pipeline = pipeline;
    g_hash_table_insert(gpu->pipelines, &entry->key, entry);
    gpu->n_compiled++;
    return pipeline;
}
