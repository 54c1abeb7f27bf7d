//! A GPU's own compiler without the GPU: Mesa's driver for AMD opens a device of any generation that computes nothing,
//! but compiles (`RADV_FORCE_FAMILY` names the generation, and has to stand in the environment).

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::CStr;
use std::path::PathBuf;
use std::process::Command;

use ash::vk;

/// Where drivers' descriptions lie.
const DRIVERS: [&str; 2] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
/// Storage buffers that a kernel may bind.
const BINDINGS: u32 = 8;

/// The driver's device of one generation, or a GPU of this machine's, opened to compile and not to compute.
pub(crate) struct CompilingDevice {
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    layout: vk::PipelineLayout,
    /// As the driver names it.
    pub(crate) name: String,
    /// The driver and its version.
    pub(crate) driver: String,
    /// Whether it multiplies matrices of f16, 16 by 16, by units of their own.
    pub(crate) has_matrix_units: bool,
    _instance: ash::Instance,
    _entry: ash::Entry,
}

/// What the compiler made of a kernel.
pub(crate) struct Compiled {
    /// Lanes of a wave.
    pub(crate) lanes: u32,
    /// What the driver counts, by its names.
    pub(crate) counts: BTreeMap<String, u64>,
    /// The instructions, a line each, blocks by their labels.
    pub(crate) assembly: String,
}

/// The features that the driver's device is opened with: all that it has, as wgpu asks for what it has a use for.
struct Features {
    core: vk::PhysicalDeviceFeatures,
    v11: vk::PhysicalDeviceVulkan11Features<'static>,
    v12: vk::PhysicalDeviceVulkan12Features<'static>,
    v13: vk::PhysicalDeviceVulkan13Features<'static>,
    robustness: vk::PhysicalDeviceRobustness2FeaturesEXT<'static>,
    matrices: vk::PhysicalDeviceCooperativeMatrixFeaturesKHR<'static>,
}

#[expect(unsafe_code, reason = "Vulkan is asked directly: wgpu gives up a device that computes nothing")]
impl CompilingDevice {
    /// Opens the generation that the environment names, or the first GPU that the loader finds.
    pub(crate) fn open() -> Result<Self, Box<dyn Error>> {
        // SAFETY: everything below is asked of the entry, the instance and the device that are kept with it, with structures
        // that live through the call.
        let entry = unsafe { ash::Entry::load() }?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        let instance = unsafe { entry.create_instance(&info, None) }?;
        let all = unsafe { instance.enumerate_physical_devices() }?;
        let kind = |physical: &&vk::PhysicalDevice| {
            unsafe { instance.get_physical_device_properties(**physical) }.device_type
        };
        let is_gpu = |physical: &&vk::PhysicalDevice| kind(physical) != vk::PhysicalDeviceType::CPU;
        let physical =
            *all.iter().find(is_gpu).ok_or("the driver has no such generation, or there is no GPU")?;

        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        unsafe { instance.get_physical_device_properties2(physical, &mut properties) };
        let name = text(&properties.properties.device_name);
        let driver = format!("{} {}", text(&driver.driver_name), text(&driver.driver_info));

        let extensions = unsafe { instance.enumerate_device_extension_properties(physical) }?;
        let has = |name: &CStr| extensions.iter().any(|known| known.extension_name_as_c_str() == Ok(name));
        if !has(ash::khr::pipeline_executable_properties::NAME) {
            return Err(format!("{driver} does not tell what it compiles").into());
        }
        let has_matrix_units = has(ash::khr::cooperative_matrix::NAME);
        let wanted = [
            ash::khr::pipeline_executable_properties::NAME,
            ash::khr::cooperative_matrix::NAME,
            ash::ext::robustness2::NAME,
        ];
        let names: Vec<_> = wanted.into_iter().filter(|name| has(name)).map(CStr::as_ptr).collect();
        let mut features = Features::of(&instance, physical);
        let device = features.open(&instance, physical, &names, &wanted.map(has))?;

        let bindings: Vec<_> = (0..BINDINGS)
            .map(|binding| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let set = unsafe { device.create_descriptor_set_layout(&info, None) }?;
        let sets = [set];
        let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
        let layout = unsafe { device.create_pipeline_layout(&info, None) }?;
        let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
        Ok(Self {
            device,
            executables,
            layout,
            name,
            driver,
            has_matrix_units,
            _instance: instance,
            _entry: entry,
        })
    }

    /// What the compiler makes of a kernel in SPIR-V, whose entry point is `main`.
    pub(crate) fn compile(&self, spirv: &[u32]) -> Result<Compiled, vk::Result> {
        // SAFETY: as in `open`; what is made here is destroyed here.
        let module = unsafe {
            self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(spirv), None)
        }?;
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(c"main");
        let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
            | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
        let info = vk::ComputePipelineCreateInfo::default().flags(flags).layout(self.layout).stage(stage);
        let made = unsafe { self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None) };
        unsafe { self.device.destroy_shader_module(module, None) };
        let pipeline = made.map_err(|(_, error)| error)?[0];
        let compiled = self.look_into(pipeline);
        unsafe { self.device.destroy_pipeline(pipeline, None) };
        compiled
    }

    fn look_into(&self, pipeline: vk::Pipeline) -> Result<Compiled, vk::Result> {
        let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: as in `open`.
        let properties = unsafe { self.executables.get_pipeline_executable_properties(&info) }?;
        let lanes = properties.first().map_or(0, |first| first.subgroup_size);
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        let counts = unsafe { self.executables.get_pipeline_executable_statistics(&info) }?;
        let count = |count: &vk::PipelineExecutableStatisticKHR<'_>| (text(&count.name), whole(count));
        let counts = counts.iter().map(count).collect();
        Ok(Compiled { lanes, counts, assembly: self.assembly(&info)? })
    }

    fn assembly(&self, info: &vk::PipelineExecutableInfoKHR<'_>) -> Result<String, vk::Result> {
        let get = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let device = self.device.handle();
        let mut count = 0;
        // SAFETY: as in `open`; the driver first says how many there are, then how long each is, then fills them.
        unsafe { get(device, info, &mut count, std::ptr::null_mut()) }.result()?;
        let mut all = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        unsafe { get(device, info, &mut count, all.as_mut_ptr()) }.result()?;
        let mut texts: Vec<Vec<u8>> = all.iter().map(|found| vec![0; found.data_size]).collect();
        for (found, text) in all.iter_mut().zip(&mut texts) {
            found.p_data = text.as_mut_ptr().cast();
        }
        unsafe { get(device, info, &mut count, all.as_mut_ptr()) }.result()?;
        let found = all.iter().zip(&texts).find(|(found, _)| text(&found.name).contains("ssembl"));
        let bytes = found.map_or(&[][..], |(_, bytes)| bytes);
        Ok(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
    }
}

#[expect(unsafe_code, reason = "as above")]
impl Features {
    fn of(instance: &ash::Instance, physical: vk::PhysicalDevice) -> Self {
        let mut found = Self {
            core: Default::default(),
            v11: Default::default(),
            v12: Default::default(),
            v13: Default::default(),
            robustness: Default::default(),
            matrices: Default::default(),
        };
        let mut features = vk::PhysicalDeviceFeatures2::default()
            .push_next(&mut found.v11)
            .push_next(&mut found.v12)
            .push_next(&mut found.v13)
            .push_next(&mut found.robustness)
            .push_next(&mut found.matrices);
        // SAFETY: as in `CompilingDevice::open`.
        unsafe { instance.get_physical_device_features2(physical, &mut features) };
        found.core = features.features;
        // Each was made a link of that chain, which is not the one to open the device with.
        for link in [
            &mut found.v11.p_next,
            &mut found.v12.p_next,
            &mut found.v13.p_next,
            &mut found.robustness.p_next,
            &mut found.matrices.p_next,
        ] {
            *link = std::ptr::null_mut();
        }
        found
    }

    /// Opens the device with these; `has` tells of the three `names` that are wanted which there are.
    fn open(
        &mut self,
        instance: &ash::Instance,
        physical: vk::PhysicalDevice,
        names: &[*const std::ffi::c_char],
        has: &[bool; 3],
    ) -> Result<ash::Device, vk::Result> {
        let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let mut info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(names)
            .enabled_features(&self.core)
            .push_next(&mut self.v11)
            .push_next(&mut self.v12)
            .push_next(&mut self.v13)
            .push_next(&mut executables);
        if has[1] {
            info = info.push_next(&mut self.matrices);
        }
        if has[2] {
            info = info.push_next(&mut self.robustness);
        }
        // SAFETY: as in `CompilingDevice::open`.
        unsafe { instance.create_device(physical, &info, None) }
    }
}

/// A count, without what follows its point.
#[expect(unsafe_code, reason = "as above")]
fn whole(count: &vk::PipelineExecutableStatisticKHR<'_>) -> u64 {
    use vk::PipelineExecutableStatisticFormatKHR as Format;
    // SAFETY: the format says which of them the driver wrote.
    unsafe {
        match count.format {
            Format::BOOL32 => count.value.b32.into(),
            Format::INT64 => count.value.i64.max(0) as u64,
            Format::FLOAT64 => count.value.f64 as u64,
            _ => count.value.u64,
        }
    }
}

/// A text of Vulkan's, up to its end.
fn text(chars: &[std::ffi::c_char]) -> String {
    let bytes = chars.iter().take_while(|char| **char != 0).map(|char| *char as u8);
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

/// This program once more, to open a [`CompilingDevice`] of a generation: the driver reads its name but once. `None` where the
/// driver is not installed.
pub(crate) fn for_generation(gpu: &str) -> Option<Command> {
    let description = driver_file()?;
    let mut child = Command::new(std::env::current_exe().ok()?);
    child
        .env("RADV_FORCE_FAMILY", gpu)
        .env("VK_DRIVER_FILES", &description)
        // What older loaders call it.
        .env("VK_ICD_FILENAMES", &description);
    Some(child)
}

/// The description of Mesa's driver for AMD.
fn driver_file() -> Option<PathBuf> {
    let files = DRIVERS.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("radeon_icd") && !name.contains("i686")
    };
    files.map(|file| file.path()).find(is_it)
}
