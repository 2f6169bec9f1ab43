//! Floors that the loop lets go: of what may scale to nothing since, and of components that have no count in the settings any more.

use anyhow::Result;

use super::floors::{Wanted, one_floor};
use super::turn::{Memory, Seen, Turned};
use crate::apply::audit::{self, Line, Stands, Verb};
use crate::apply::server::Place;
use crate::apply::{floor, scaled};
use crate::commands::apply::session::{Session, called, kind_and_name, plain};
use crate::commands::gather::Run;
use crate::config::Settings;
use crate::past::floor::Floor;
use crate::service::floor::Raised;

/// What may scale to nothing is let sleep. A floor of ours from before that goes back to its base by the rules of every other
/// floor, and is raised no more.
pub(super) async fn asleep(
    session: &mut Session<'_>,
    run: &Run,
    Wanted { change, asked }: Wanted,
    memory: &mut Memory,
    turned: &mut Turned,
) -> Result<()> {
    let place = Place { namespace: &change.namespace, kind: change.kind, name: &change.name };
    let subject = format!("{} {}", change.service, change.component);
    let mut why = format!("`{}` may scale to nothing, and is let sleep", change.object());
    let workload = format!("{}/{}", change.workload.0.name(), change.workload.1);
    let line = session.line(Verb::Floor, place, workload);
    if let Some(Held { raised, .. }) = held(session, &line).await?.flatten() {
        let Raised { base, set, .. } = raised;
        let at_most = |floor: Floor| Floor { asked: floor.asked.min(set), ..floor };
        let wanted = Wanted { change, asked: asked.map(at_most) };
        let before = turned.taken_back;
        one_floor(session, run, &wanted, memory, turned).await?;
        if turned.taken_back > before {
            return Ok(());
        }
        why += &format!(
            "; its floor of {set} goes back to its base of {base} once no more is asked for"
        );
    }
    turned.left += 1;
    memory.say(session.out, &subject, &why, &format!("left     {subject}: {why}"))
}

/// Names the floors that are up still and of no component of the settings: nothing moves them any more. What an autoscaler
/// scales now counts, and not what it did when its floor was moved.
pub(super) async fn abandoned(
    session: &mut Session<'_>,
    settings: &Settings,
    namespace: Option<&str>,
    memory: &mut Memory,
    turned: &mut Turned,
) -> Result<()> {
    for line in audit::floors(&session.lines) {
        let move_of = format!("{} {} {}", line.namespace, line.object, line.run);
        let is_asked_for = namespace.is_none_or(|name| name == line.namespace);
        if !is_asked_for || memory.down.contains(&move_of) || is_moved(turned, &line) {
            continue;
        }
        match held(session, &line).await? {
            None => {}
            // only the loop raises it again, and that is another line
            Some(None) => drop(memory.down.insert(move_of)),
            Some(Some(held)) if is_counted(settings, &line.namespace, &held.scales) => {}
            Some(Some(held)) => {
                turned.left += 1;
                let object = plain(&format!("{} in {}", line.object, line.namespace));
                let text = format!("left     {object}: {}", held.words(&line.workload));
                memory.say(session.out, &object, &text, &text)?;
            }
        }
    }
    Ok(())
}

/// Whether this turn has seen the floor of a line as a component's.
fn is_moved(turned: &Turned, line: &Line) -> bool {
    let of = |seen: &Seen| seen.namespace == line.namespace && seen.object == line.object;
    turned.floors.iter().any(of)
}

/// Whether the settings have a count for a workload.
fn is_counted(settings: &Settings, namespace: &str, workload: &str) -> bool {
    let here = settings.services.iter().filter(|service| service.namespace == namespace);
    let mut components = here.flat_map(|service| &service.components);
    components.any(|one| !one.memory && one.target.to_string() == workload)
}

/// A floor that the loop holds up.
struct Held {
    raised: Raised,
    /// Kind and name of what its autoscaler scales now; empty: it does not say.
    scales: String,
}

impl Held {
    /// That it stays, and the way out: where it scaled another `workload`, by hand.
    fn words(&self, workload: &str) -> String {
        let Raised { base, set, .. } = self.raised;
        let stays = format!("and its floor of {set}, base {base}, stays");
        if self.scales == workload {
            return format!(
                "the settings have no count for it any more, {stays}: `plimsoll rollback --floors` takes it down"
            );
        }
        let scales = plain(&self.scales);
        format!(
            "it scales `{scales}` now, for which the settings have no count, {stays}: set it by hand"
        )
    }
}

/// The floor that the loop holds up on the object of a line; outer `None`: it may not be read.
async fn held(session: &Session<'_>, line: &Line) -> Result<Option<Option<Held>>> {
    let Some((kind, name)) = kind_and_name(&line.object) else { return Ok(Some(None)) };
    let place = Place { namespace: &line.namespace, kind, name };
    let object = match session.server.find(place, (kind, name)).await {
        Err(error) if error.is_of_the_cluster() => return Err(called(error).into()),
        Err(_) => return Ok(None),
        Ok(found) => found.object.unwrap_or_default(),
    };
    let raised = floor::raised(&object, kind).ok().flatten();
    let raised = raised.filter(|_| audit::stands(line, &object) == Stands::Here);
    let scales = scaled(&object).unwrap_or_default();
    Ok(Some(raised.map(|raised| Held { raised, scales })))
}
