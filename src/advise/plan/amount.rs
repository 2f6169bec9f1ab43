//! A setting, and a value of one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Millicores};

/// A setting that Plimsoll has an opinion on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Setting {
    /// CPU request per container.
    CpuRequest,
    /// `maxReplicas` of the HPA.
    MaxReplicas,
    /// Memory of a component that the table sizes by memory: the container's limit.
    Memory,
    /// Memory limit per container.
    MemoryLimit,
    /// Memory request per container.
    MemoryRequest,
    /// `minReplicas` of the HPA.
    MinReplicas,
    /// `spec.replicas`, where no HPA owns it.
    Replicas,
    /// Size of a volume.
    Storage,
    /// The HPA's CPU target, in percent of the request; a lower one gives more pods.
    TargetUtilization,
}

impl Setting {
    /// The name as it stands in the plan: `minReplicas`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuRequest => "cpuRequest",
            Self::MaxReplicas => "maxReplicas",
            Self::Memory => "memory",
            Self::MemoryLimit => "memoryLimit",
            Self::MemoryRequest => "memoryRequest",
            Self::MinReplicas => "minReplicas",
            Self::Replicas => "replicas",
            Self::Storage => "storage",
            Self::TargetUtilization => "targetUtilization",
        }
    }

    /// Whether it is a part of what a pod asks for.
    #[must_use]
    pub fn is_size(self) -> bool {
        self.is_memory_limit() || matches!(self, Self::CpuRequest | Self::MemoryRequest)
    }

    /// Whether it is what a container's memory ends at.
    #[must_use]
    pub fn is_memory_limit(self) -> bool {
        matches!(self, Self::Memory | Self::MemoryLimit)
    }
}

/// A value of a setting: a count, or a quantity as Kubernetes writes it.
///
/// `1` is a core, a byte, or a replica: only its setting says which, so it is read with that ([`Amount::read`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount {
    /// Replicas, or percent for `targetUtilization`.
    Count(u32),
    /// Memory or storage.
    Bytes(#[schemars(with = "String")] Bytes),
    /// CPU.
    Cpu(#[schemars(with = "String")] Millicores),
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::Cpu(cpu) => write!(f, "{cpu}"),
        }
    }
}

impl Amount {
    /// An amount of `setting` as JSON holds it: a count as a number, a quantity as text.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn read(setting: Setting, value: &serde_json::Value) -> Result<Self, String> {
        use serde_json::Value;
        let wrong = || format!("`{value}` is no amount of `{}`", setting.name());
        match (setting, value) {
            (Setting::CpuRequest, Value::String(text)) => {
                text.parse().map(Self::Cpu).map_err(|_| wrong())
            }
            (
                Setting::Memory | Setting::MemoryLimit | Setting::MemoryRequest | Setting::Storage,
                Value::String(text),
            ) => text.parse().map(Self::Bytes).map_err(|_| wrong()),
            (
                Setting::MaxReplicas
                | Setting::MinReplicas
                | Setting::Replicas
                | Setting::TargetUtilization,
                Value::Number(count),
            ) => {
                let count = count.as_u64().and_then(|count| u32::try_from(count).ok());
                count.map(Self::Count).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    /// The bare figure, for comparing amounts of one setting: replicas, bytes, or millicores.
    #[must_use]
    pub fn figure(self) -> u64 {
        match self {
            Self::Count(count) => u64::from(count),
            Self::Bytes(bytes) => bytes.0,
            Self::Cpu(cpu) => cpu.0,
        }
    }
}
