//! What scales a workload by itself: an HPA, KEDA, a VPA.

use serde_json::Value;

/// Who sets a replica count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scaler {
    /// Nobody but whoever writes the object.
    Nobody,
    /// An HPA.
    Hpa(Hpa),
    /// A KEDA `ScaledObject`; the HPA below it is KEDA's, and follows it.
    Keda(ScaledObject),
}

impl Scaler {
    /// What its minimum was before the loop raised it.
    #[must_use]
    pub fn base(&self) -> Option<u32> {
        self.raised().map(|(base, _)| base)
    }

    /// Its kind and name; `None`: there is no object.
    #[must_use]
    pub fn object(&self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::Hpa(hpa) => Some(format!("HorizontalPodAutoscaler/{}", hpa.name)),
            Self::Keda(keda) => Some(format!("ScaledObject/{}", keda.name)),
        }
    }

    /// What it aims at.
    #[must_use]
    pub fn targets(&self) -> Targets {
        match self {
            Self::Nobody => Targets::default(),
            Self::Hpa(Hpa { targets, .. }) | Self::Keda(ScaledObject { targets, .. }) => *targets,
        }
    }

    /// What its minimum was before the loop raised it, and what it is.
    #[must_use]
    pub fn raised(&self) -> Option<(u32, u32)> {
        match self {
            Self::Nobody => None,
            Self::Hpa(Hpa { base, min, .. }) | Self::Keda(ScaledObject { base, min, .. }) => {
                base.zip(*min)
            }
        }
    }
}

/// The lowest targets of an autoscaler that are shares of a request, in percent; `None`: it has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Targets {
    /// Of CPU.
    pub cpu: Option<u32>,
    /// Of memory.
    pub memory: Option<u32>,
    /// Whether that of CPU is a share of what all containers of a pod request, and not of the one that is sized alone.
    pub of_pods: bool,
}

/// A horizontal pod autoscaler, found by the object that it scales.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hpa {
    /// `metadata.name`.
    pub name: String,
    /// `minReplicas`.
    pub min: Option<u32>,
    /// What `minReplicas` was before the loop raised it, where it is still what the loop put there; `None`: it is not the loop's.
    pub base: Option<u32>,
    /// `maxReplicas`.
    pub max: Option<u32>,
    /// What it aims at.
    pub targets: Targets,
    /// Whether the CPU of its pods, in percent of their request, is the only metric it has.
    pub only_cpu: bool,
}

/// KEDA's object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaledObject {
    /// `metadata.name`.
    pub name: String,
    /// `minReplicaCount`; 0 lets it scale to nothing.
    pub min: Option<u32>,
    /// As [`Hpa::base`].
    pub base: Option<u32>,
    /// `maxReplicaCount`.
    pub max: Option<u32>,
    /// Whether it goes to nothing while no trigger is active (`idleReplicaCount`), whatever its minimum.
    pub idles: bool,
    /// Whether it is told to pause.
    pub paused: bool,
    /// What its triggers, or the HPA that follows it, aim at.
    pub targets: Targets,
    /// `spec.triggers` as they stand.
    pub triggers: Value,
    /// Whether a formula joins the metrics of its triggers (`scalingModifiers`): then the largest no longer counts.
    pub composed: bool,
}

#[cfg(test)]
impl ScaledObject {
    /// One that is awake, of no known trigger, for tests.
    #[must_use]
    pub fn example(name: &str, min: u32, max: u32) -> Self {
        Self {
            name: name.to_owned(),
            min: Some(min),
            base: None,
            max: Some(max),
            idles: false,
            paused: false,
            targets: Targets::default(),
            triggers: Value::Null,
            composed: false,
        }
    }
}

/// A vertical pod autoscaler on the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpa {
    /// `metadata.name`.
    pub name: String,
    /// `updateMode`: with anything but `Off` the requests are its own.
    pub mode: String,
    /// `spec.resourcePolicy` as it stands; null where there is none.
    pub policy: Value,
}
