//! Scenarios: sites on one calendar of orders, cuts and crowds.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::error::{ProfileError, shown, suggestion};
use super::schema::Medium;
use super::values::{Amount, Positive, Range, Share};
use super::{Profile, builtin, read_file};
use crate::time::{DAY, When, seconds};

/// Sites and what befalls them.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The built-in name, or the file's.
    pub name: String,
    /// One line for people.
    pub about: String,
    /// The facts it rests on.
    pub rests_on: Vec<String>,
    /// How long it runs.
    pub length: Duration,
    /// The sites; the first is named first.
    pub sites: Vec<ScenarioSite>,
    /// What happens, in the file's order.
    pub events: Vec<Event>,
    /// The road, where one is open.
    pub courier: Option<Courier>,
}

/// One site of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioSite {
    /// Its name.
    pub name: String,
    /// The district: sites of one district share grid and backhaul.
    pub district: String,
    /// Its line and box.
    pub profile: Profile,
    /// The mobile operator, from 1.
    pub operator: u8,
    /// On the white list: no order reaches it.
    pub exempt: bool,
    /// The workload tier.
    pub workload: Option<String>,
}

/// Something that happens to some sites for a while.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What.
    pub what: EventKind,
    /// From this moment.
    pub from: When,
    /// To this moment.
    pub to: When,
    /// The sites; left out: all.
    #[serde(default)]
    pub sites: Vec<String>,
    /// For `order`: the services switched off.
    #[serde(default)]
    pub services: Vec<Service>,
    /// For `order`: only this operator's lines.
    pub operator: Option<u8>,
    /// For `order`: how long the way back stays half open, h.
    #[serde(default)]
    pub ramp_h: Amount,
    /// For `grid_cut`: hours of supply taken from each day.
    #[serde(default)]
    pub hours: Amount,
    /// For `crowd`: the rate times this.
    #[serde(default = "unchanged")]
    pub rate_factor: Share,
}

fn unchanged() -> Share {
    Share(1.0)
}

/// The kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A suspension of services by order.
    Order,
    /// Less electricity each day.
    GridCut,
    /// A slower network.
    Crowd,
}

/// A service that an order can switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Mobile data.
    Mobile,
    /// Fixed lines.
    Dsl,
    /// Telephony: carries no data, kept for the record.
    Voice,
    /// Short messages: carry no data, kept for the record.
    Sms,
}

/// A person with a disk on the road.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Courier {
    /// The site it leaves from.
    pub from: String,
    /// The site it goes to.
    pub to: String,
    /// Hours of the day when the road is open.
    pub open_h: Range,
    /// The way, h.
    pub takes_h: Positive,
    /// Days of the week, 0 is Monday.
    pub weekdays: Vec<u8>,
    /// The disk, GB.
    pub carries_gb: Positive,
}

impl Courier {
    /// The departures before `end`: one each named day, when the road opens.
    #[must_use]
    pub fn departures(&self, end: Duration) -> Vec<Duration> {
        let days = 0..u32::try_from(end.as_secs() / DAY.as_secs() + 1).unwrap_or(u32::MAX);
        let runs = days.filter(|day| self.weekdays.iter().any(|w| u32::from(*w) == day % 7));
        runs.map(|day| DAY * day + seconds(self.open_h.0 * 3600.0))
            .filter(|at| *at < end)
            .collect()
    }
}

impl Event {
    /// True when this event reaches a line of that site, operator and medium.
    #[must_use]
    pub fn hits(&self, site: &str, operator: u8, medium: Medium) -> bool {
        let service = match medium {
            Medium::Mobile => Some(Service::Mobile),
            Medium::Dsl => Some(Service::Dsl),
            Medium::Satellite => None,
        };
        let here = self.sites.is_empty() || self.sites.iter().any(|name| name == site);
        let own_operator = medium != Medium::Mobile || self.operator.is_none_or(|o| o == operator);
        here && own_operator
            && (self.what != EventKind::Order
                || service.is_some_and(|s| self.services.contains(&s)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ScenarioFile {
    base: Option<String>,
    keep_events: bool,
    about: String,
    rests_on: Vec<String>,
    days: Option<Positive>,
    no_courier: bool,
    courier: Option<Courier>,
    site: Vec<SiteFile>,
    event: Vec<Event>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteFile {
    name: String,
    profile: String,
    district: Option<String>,
    #[serde(default = "first_operator")]
    operator: u8,
    #[serde(default)]
    exempt: bool,
    workload: Option<String>,
    second: Option<super::schema::Second>,
}

fn first_operator() -> u8 {
    1
}

impl Scenario {
    /// Loads a built-in scenario by name or a file by path.
    ///
    /// # Errors
    /// Names the file, the line, the key and the fix.
    pub fn load(name_or_path: &str) -> Result<Self, ProfileError> {
        if let Some((name, text)) = builtin::scenario(name_or_path) {
            return Self::from_toml(name, text, None);
        }
        let path = Path::new(name_or_path);
        let text = read_file(path, "scenario", &builtin::scenario_names())?;
        Self::from_toml(&shown(path), &text, path.parent())
    }

    /// Reads a scenario from text; profiles given by path are looked for in `folder`.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn from_toml(file: &str, text: &str, folder: Option<&Path>) -> Result<Self, ProfileError> {
        Self::read(file, text, folder, true)
    }

    /// The names of the built-in scenarios.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        builtin::scenario_names()
    }

    fn read(
        file: &str,
        text: &str,
        folder: Option<&Path>,
        may_have_base: bool,
    ) -> Result<Self, ProfileError> {
        let own: ScenarioFile =
            toml::from_str(text).map_err(|e| ProfileError::from_toml(file, text, &e))?;
        let fault =
            |key: &str, problem: String| ProfileError::new(file, problem).key(key).located(text);
        let base = match &own.base {
            None => None,
            Some(_) if !may_have_base => {
                return Err(fault("base", "a base scenario cannot have a base".into()));
            }
            Some(name) => Some(Self::base(name).ok_or_else(|| {
                fault("base", format!("no built-in scenario `{name}`"))
                    .fix(suggestion(name, &Self::names()))
            })??),
        };
        let placed = |e: ProfileError| {
            ProfileError {
                file: file.to_owned(),
                ..e
            }
            .located(text)
        };
        let sites = own
            .site
            .iter()
            .map(|site| site.resolve(folder).map_err(placed));
        let sites = sites.collect::<Result<Vec<_>, _>>()?;
        let scenario = own
            .over(base, sites, file.strip_suffix(".toml").unwrap_or(file))
            .ok_or_else(|| ProfileError::new(file, "it has no length").fix("add `days = 30`"))?;
        scenario
            .check()
            .map_err(|(key, problem)| fault(key, problem))?;
        Ok(scenario)
    }

    fn base(name: &str) -> Option<Result<Self, ProfileError>> {
        let (name, text) = builtin::scenario(name)?;
        Some(Self::read(name, text, None, false))
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        let names: Vec<&str> = self.sites.iter().map(|site| site.name.as_str()).collect();
        if names.is_empty() {
            return Err(("site", "there is no site; add a [[site]]".into()));
        }
        if let Some(twice) = names
            .iter()
            .enumerate()
            .find_map(|(i, name)| names.iter().take(i).find(|other| *other == name))
        {
            return Err(("name", format!("two sites are called `{twice}`")));
        }
        if let Some(event) = self.events.iter().find(|event| event.from >= event.to) {
            return Err((
                "event",
                format!(
                    "an event ends at {} s, before it starts",
                    event.to.0.as_secs()
                ),
            ));
        }
        if self
            .events
            .iter()
            .any(|event| event.what == EventKind::Order && event.services.is_empty())
        {
            return Err((
                "services",
                "an order that names no service; add services = [\"mobile\"]".into(),
            ));
        }
        let courier = self.courier.iter().flat_map(|c| [&c.from, &c.to]);
        let mut mentioned = self
            .events
            .iter()
            .flat_map(|event| &event.sites)
            .chain(courier);
        match mentioned.find(|name| !names.contains(&name.as_str())) {
            Some(unknown) => Err((
                "sites",
                format!("no site `{unknown}`; {}", suggestion(unknown, &names)),
            )),
            None => Ok(()),
        }
    }
}

impl ScenarioFile {
    /// This file over its base; none when neither says how long it runs.
    fn over(self, base: Option<Scenario>, own: Vec<ScenarioSite>, name: &str) -> Option<Scenario> {
        let days = self.days.map(|days| seconds(days.0 * 86_400.0));
        let (mut events, mut courier, mut length, mut sites) =
            (Vec::new(), self.courier, days, own);
        if let Some(base) = base {
            sites = if sites.is_empty() { base.sites } else { sites };
            events = if self.keep_events {
                base.events
            } else {
                events
            };
            courier = courier.or(base.courier);
            length = length.or(Some(base.length));
        }
        events.extend(self.event);
        Some(Scenario {
            name: name.to_owned(),
            about: self.about,
            rests_on: self.rests_on,
            length: length?,
            sites,
            events,
            courier: courier.filter(|_| !self.no_courier),
        })
    }
}

impl SiteFile {
    fn resolve(&self, folder: Option<&Path>) -> Result<ScenarioSite, ProfileError> {
        let load = |name: &str| {
            let beside = folder
                .filter(|_| builtin::profile(name).is_none())
                .map(|folder| folder.join(name).display().to_string());
            Profile::load(beside.as_deref().unwrap_or(name))
        };
        let mut profile = load(&self.profile).map_err(|e| e.key("profile"))?;
        if let Some(second) = &self.second {
            let line = load(&second.profile).map_err(|e| e.key("second"))?;
            profile.second = Some((Box::new(line), seconds(f64::from(second.switch_after_s))));
        }
        let district = self.district.clone().unwrap_or_else(|| self.name.clone());
        Ok(ScenarioSite {
            name: self.name.clone(),
            district,
            profile,
            operator: self.operator,
            exempt: self.exempt,
            workload: self.workload.clone(),
        })
    }
}
