//! Instance bytes to packed parts and back: exact to the bit, in bounded memory.
//!
//! [`plan`] finds the head and the pixel data of an instance by byte ranges. A [`Packer`] turns
//! them into [`PackedPart`]s, each unpacked again and compared before it is given out. An
//! [`Unpacker`] restores any part from its packed bytes and those of its chain.
//!
//! ```
//! use karez_imaging::{HEAD, Level, Packer, PackedItem, PartRef, Unpacker, plan};
//!
//! let file = b"not DICOM at all".to_vec();
//! let plan = plan(&file)?;
//! let mut parts = Vec::new();
//! Packer::new(Level::Best).pack(7, &file, &plan, &mut |item: PackedItem<'_>| {
//!     parts.push((item.part, item.packed));
//!     Ok::<(), ()>(())
//! }).map_err(|_| "pack")?;
//!
//! let mut unpacker = Unpacker::new();
//! let mut raw = Vec::new();
//! for (part, packed) in &parts {
//!     let at = PartRef { record: 7, part: *part };
//!     raw.push(unpacker.unpack(at, packed, &mut |_| Err(())).map_err(|_| "unpack")?);
//! }
//! let prefix_len = plan.head.prefix_len as usize;
//! let restored = [&raw[0][..prefix_len], &raw[1..].concat(), &raw[0][prefix_len..]].concat();
//! assert_eq!(restored, file);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod codec;
mod estimate;
mod pack;
mod part;
mod plan;
mod self_test;
mod source;
mod unpack;

pub use codec::Corrupt;
pub use estimate::{Estimate, Estimator};
pub use pack::{PackError, PackedItem, Packer};
pub use part::{
    CHAIN_MAX, CodecId, Codecs, HEAD, Level, PART_PACKED_MAX, PART_RAW_MAX, PackedPart, PartRef,
    UnknownLevel,
};
pub use plan::{HeadPlan, InstanceInfo, PartPlan, Plan, plan};
pub use self_test::{SelfTestFailed, self_test};
pub use source::ByteSource;
pub use unpack::{UnpackError, Unpacker};
