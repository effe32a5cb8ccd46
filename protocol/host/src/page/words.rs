//! The catalogue: every sentence of the pages in every language.
//!
//! `{0}`, `{1}` stand for what is filled in. What a daemon says in English only (the cause of an
//! error, say) is shown as it is and marked as English.

use serde::{Deserialize, Serialize};

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Urdu, from right to left.
    Ur,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Ur];

    /// As HTML and HTTP name it.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ur => "ur",
        }
    }

    /// `ltr` or `rtl`.
    #[must_use]
    pub const fn direction(self) -> &'static str {
        match self {
            Self::En => "ltr",
            Self::Ur => "rtl",
        }
    }

    /// What its readers call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Ur => "اردو",
        }
    }

    /// The language with this tag.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.tag() == tag)
    }
}

macro_rules! words {
    ($($name:ident: $en:literal, $ur:literal;)*) => {
        /// A sentence or word of the pages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is explained by its English text in the table")]
        pub enum Word { $($name),* }

        impl Word {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its text, with places to be filled in.
            #[must_use]
            pub const fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name, Language::En) => $en, (Self::$name, Language::Ur) => $ur,)*
                }
            }
        }
    };
}

words! {
    // The top.
    SafeOff: "Safe to switch off. Everything has arrived.", "بند کرنا محفوظ ہے۔ سب کچھ پہنچ گیا ہے۔";
    Waiting: "{0} studies wait here, nothing is lost. Safe to switch off.", "{0} معائنے یہاں انتظار میں ہیں، کچھ ضائع نہیں ہوا۔ بند کرنا محفوظ ہے۔";
    OnTheWay: "Sending. {0} studies are on their way. A break does no harm.", "بھیجا جا رہا ہے۔ {0} معائنے راستے میں ہیں۔ رکاوٹ سے نقصان نہیں ہوگا۔";
    NoLineSince: "No line since {0}. {1} studies wait here, nothing is lost.", "{0} سے رابطہ نہیں۔ {1} معائنے یہاں انتظار میں ہیں، کچھ ضائع نہیں ہوا۔";
    NoLineYet: "No line yet. {0} studies wait here, nothing is lost.", "ابھی تک رابطہ نہیں۔ {0} معائنے یہاں انتظار میں ہیں، کچھ ضائع نہیں ہوا۔";
    NotJoined: "Not connected to a hub yet: ask the hub for an invitation.", "ابھی کسی مرکز سے نہیں جڑا: مرکز سے دعوت نامہ مانگیں۔";
    DiskTrouble: "The disk takes no more: {0}", "ڈسک مزید نہیں لے رہی: {0}";
    HubAllWell: "All is well. {0} of {1} clinics are connected.", "سب ٹھیک ہے۔ {1} میں سے {0} کلینک جڑے ہوئے ہیں۔";
    HubNeedsYou: "{0} things need a person. {1} of {2} clinics are connected.", "{0} کام کسی کے منتظر ہیں۔ {2} میں سے {1} کلینک جڑے ہوئے ہیں۔";
    LostDaemon: "This page has lost the program. Is it running?", "اس صفحے کا پروگرام سے رابطہ ٹوٹ گیا۔ کیا وہ چل رہا ہے؟";
    // Headings.
    Studies: "Studies", "معائنے";
    NoStudies: "No studies are here.", "یہاں کوئی معائنہ نہیں۔";
    More: "{0} more are not shown.", "{0} مزید نہیں دکھائے گئے۔";
    NeedsAPerson: "Needs a person", "کسی کی توجہ چاہیے";
    NothingNeeds: "Nothing needs a person.", "کوئی کام باقی نہیں۔";
    Alarms: "Alarms", "خبردار";
    Clinics: "Clinics", "کلینک";
    Now: "Now", "ابھی";
    Line24: "The line in the last 24 hours", "پچھلے 24 گھنٹوں میں رابطہ";
    LineUp: "up {0} of the {1} watched", "{1} کی نگرانی میں {0} چالو";
    // Columns.
    Study: "Study", "معائنہ";
    Here: "here", "یہاں";
    AtHub: "at the hub", "مرکز میں";
    InPlace: "in {0}", "{0} میں";
    InArchive: "in the archive", "آرکائیو میں";
    Left: "time left", "باقی وقت";
    Actions: "what you can do", "آپ کیا کر سکتے ہیں";
    Clinic: "Clinic", "کلینک";
    Line: "Line", "رابطہ";
    LastHeard: "last heard", "آخری رابطہ";
    Open: "studies open", "کھلے معائنے";
    Missing: "still to come", "ابھی آنا باقی";
    // Lamps.
    Yes: "yes", "ہاں";
    NotYet: "not yet", "ابھی نہیں";
    Percent: "{0} %", "{0} فیصد";
    Trouble: "needs a person", "توجہ چاہیے";
    // Figures.
    Disk: "Disk", "ڈسک";
    FreeDays: "{0} free, {1} days at today's rate", "{0} خالی، آج کی رفتار سے {1} دن";
    Free: "{0} free", "{0} خالی";
    Today: "Sent and received today", "آج بھیجا اور وصول کیا";
    TodayCost: "{0}, {1} {2}", "{0}، {1} {2}";
    Rate: "Speed", "رفتار";
    Connected: "connected", "جڑا ہوا";
    NoLine: "no line", "رابطہ نہیں";
    Revoked: "cut off", "منقطع";
    // A study.
    Images: "{0} image(s)", "{0} تصاویر";
    ImagesOf: "{0}, {1} image(s)", "{0}، {1} تصاویر";
    From: "from {0}", "{0} سے";
    ArrivedAt: "arrived {0}", "آمد {0}";
    Unknown: "unknown", "معلوم نہیں";
    About: "about {0}", "تقریباً {0}";
    Done: "done", "مکمل";
    TakenBack: "taken back", "واپس لیا گیا";
    NotWhole: "{0} images end too early and are sent as they are", "{0} تصاویر ادھوری ہیں اور ویسی ہی بھیجی جاتی ہیں";
    Stat: "emergency", "ہنگامی";
    Urgent: "urgent", "فوری";
    Routine: "routine", "معمول";
    Bulk: "when there is room", "فرصت میں";
    // Actions.
    MakeUrgent: "Make urgent", "فوری بنائیں";
    MakeStat: "Emergency", "ہنگامی بنائیں";
    Withdraw: "Take back", "واپس لیں";
    Retry: "Try again", "دوبارہ کوشش کریں";
    Allow: "Allow", "اجازت دیں";
    Release: "Put it there", "وہاں رکھ دیں";
    Discard: "Give up", "چھوڑ دیں";
    Pause: "Pause the line", "رابطہ روکیں";
    Resume: "Go on", "جاری رکھیں";
    SureWithdraw: "Take study {0} back?", "کیا معائنہ {0} واپس لیں؟";
    SureDiscard: "Give {0} up?", "کیا {0} چھوڑ دیں؟";
    WhyWithdraw: "It is not sent further. What has arrived stays there; tell the hub if it is the wrong patient.", "یہ مزید نہیں بھیجا جائے گا۔ جو پہنچ گیا وہ وہیں رہے گا؛ مریض غلط ہو تو مرکز کو بتائیں۔";
    WhyDiscard: "The hub stops trying. The clinic keeps the original.", "مرکز مزید کوشش نہیں کرے گا۔ اصل کلینک کے پاس رہے گا۔";
    Reason: "Reason", "وجہ";
    WrongPatient: "wrong patient", "غلط مریض";
    SentTwice: "sent twice", "دو بار بھیجا گیا";
    OtherReason: "another reason", "کوئی اور وجہ";
    Back: "Back", "واپس";
    DoneNow: "Done: {0}", "ہو گیا: {0}";
    Failed: "It did not work: {0}", "نہیں ہو سکا: {0}";
    ScannerAsks: "Scanner {0} at {1} wants to send: allow?", "اسکینر {0} ({1}) بھیجنا چاہتا ہے: اجازت ہے؟";
    NoAnswers: "Only after logging in.", "صرف لاگ اِن کے بعد۔";
    // People.
    Login: "Log in", "لاگ اِن";
    Logout: "Log out", "لاگ آؤٹ";
    Name: "Name", "نام";
    Password: "Password", "پاس ورڈ";
    WrongLogin: "The name or the password is wrong.", "نام یا پاس ورڈ غلط ہے۔";
    TooMany: "Too many attempts: wait a few minutes.", "بہت زیادہ کوششیں: چند منٹ انتظار کریں۔";
    NoUsers: "No user is set up yet: `user add NAME` on the command line makes one.", "ابھی کوئی صارف نہیں: کمانڈ لائن پر `user add NAME` سے بنائیں۔";
    LoggedInAs: "{0} is logged in", "{0} لاگ اِن ہے";
    ShowNames: "Show names", "نام دکھائیں";
    HideNames: "Hide names", "نام چھپائیں";
    NotAllowed: "This needs an administrator.", "اس کے لیے منتظم چاہیے۔";
    Expired: "The form was too old. Please try again.", "فارم پرانا ہو گیا تھا۔ دوبارہ کوشش کریں۔";
    // Times and kinds.
    Days: "{0} d {1} h", "{0} دن {1} گھنٹے";
    Hours: "{0} h {1} min", "{0} گھنٹے {1} منٹ";
    Minutes: "{0} min", "{0} منٹ";
    Seconds: "{0} s", "{0} سیکنڈ";
    HubPage: "Karez hub", "کاریز مرکز";
    ClinicPage: "Karez clinic", "کاریز کلینک";
    LanguageName: "Language", "زبان";
    SkipTo: "Skip to the studies", "معائنوں پر جائیں";
}

/// Something to be shown: from the catalogue, or as a daemon says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// From the catalogue, with what is filled in.
    Word(Word, Vec<Self>),
    /// The same in every language: a name, a number.
    As(String),
    /// English, since nobody has translated it.
    English(String),
    /// A length of time in seconds.
    Span(u64),
}

impl Say {
    /// A word with nothing to fill in.
    #[must_use]
    pub const fn word(word: Word) -> Self {
        Self::Word(word, Vec::new())
    }

    /// A number.
    #[must_use]
    pub fn number(number: u64) -> Self {
        Self::As(number.to_string())
    }

    /// Its text. What is filled in is kept apart from text that runs the other way.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::Word(word, fill) => {
                let mut text = word.text(language).to_owned();
                for (n, with) in fill.iter().enumerate() {
                    text = text.replace(
                        &format!("{{{n}}}"),
                        &isolated(&with.text(language), language),
                    );
                }
                text
            }
            Self::As(text) | Self::English(text) => text.clone(),
            Self::Span(seconds) => span(*seconds).text(language),
        }
    }

    /// Whether it is English whatever the page's language is.
    #[must_use]
    pub const fn is_english(&self) -> bool {
        matches!(self, Self::English(_))
    }
}

/// A length of time in its two largest units.
fn span(seconds: u64) -> Say {
    let two = |word, large: u64, small: u64| {
        Say::Word(word, vec![Say::number(large), Say::number(small)])
    };
    match seconds {
        0..60 => Say::Word(Word::Seconds, vec![Say::number(seconds)]),
        60..3600 => Say::Word(Word::Minutes, vec![Say::number(seconds / 60)]),
        3600..86_400 => two(Word::Hours, seconds / 3600, seconds / 60 % 60),
        _ => two(Word::Days, seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Between FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE where the page runs from the right.
fn isolated(text: &str, language: Language) -> String {
    match language {
        Language::En => text.to_owned(),
        Language::Ur => format!("\u{2068}{text}\u{2069}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<&str> {
        let mut places: Vec<&str> = text.split('{').skip(1).collect();
        places.sort_unstable_by_key(|p| p.as_bytes().first().copied());
        places
            .iter()
            .filter_map(|p| p.split_once('}'))
            .map(|p| p.0)
            .collect()
    }

    #[test]
    fn both_languages_have_every_word_with_the_same_places() {
        assert!(Word::ALL.len() > 80, "{}", Word::ALL.len());
        for word in Word::ALL {
            let [en, ur] = Language::ALL.map(|language| word.text(language));
            assert!(!en.trim().is_empty() && !ur.trim().is_empty(), "{word:?}");
            assert_eq!(places(en), places(ur), "{word:?}");
            let arabic = ur.chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c));
            assert!(
                arabic || !places(ur).is_empty(),
                "{word:?} is not Urdu: {ur}"
            );
        }
    }

    #[test]
    fn words_of_the_protocol_do_not_occur() {
        for word in Word::ALL {
            let text = word.text(Language::En).to_lowercase();
            for forbidden in ["spool", "hand-off", "receipt", "parked", "committed"] {
                assert!(!text.contains(forbidden), "{word:?}: {text}");
            }
        }
    }

    #[test]
    fn what_is_filled_in_keeps_its_direction() {
        let say = Say::Word(
            Word::NoLineSince,
            vec![Say::As("14:10".into()), Say::number(12)],
        );
        assert_eq!(
            say.text(Language::En),
            "No line since 14:10. 12 studies wait here, nothing is lost."
        );
        assert!(
            say.text(Language::Ur)
                .starts_with("\u{2068}14:10\u{2069} سے")
        );
        assert_eq!(
            Say::Span(3 * 3600 + 12 * 60).text(Language::En),
            "3 h 12 min"
        );
    }
}
