//! Groups, packed and unpacked: zstd frames (RFC 8878) without their first four bytes, which are always the same.
//!
//! Not here: which bytes make a group ([`super::window`]).

use zstd::zstd_safe::{CCtx, CParameter, DCtx, get_error_name};

use super::table::{Group, Shape};
use super::{LEVEL, damaged};
use crate::error::{Error, ErrorKind, Result};

const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Packs groups. What serves as a prefix has to live as long.
pub(super) struct Packing<'a> {
    context: CCtx<'a>,
    frame: Vec<u8>,
    other: Vec<u8>,
}

impl<'a> Packing<'a> {
    pub fn new() -> Result<Self> {
        let mut context = CCtx::create();
        for parameter in [
            CParameter::CompressionLevel(LEVEL),
            CParameter::ContentSizeFlag(false),
            CParameter::ChecksumFlag(false),
            CParameter::DictIdFlag(false),
        ] {
            context.set_parameter(parameter).map_err(failed)?;
        }
        Ok(Packing { context, frame: Vec::new(), other: Vec::new() })
    }

    /// Appends new bytes in the smaller form.
    pub fn fresh(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<Group> {
        frame(&mut self.context, raw, None, &mut self.frame)?;
        let shape = if self.frame.len() < raw.len() { Shape::Packed } else { Shape::Raw };
        let stored: &[u8] = if shape == Shape::Packed { &self.frame } else { raw };
        out.extend_from_slice(stored);
        Ok(Group { shape, raw: raw.len(), stored: stored.len() })
    }

    /// Appends changed blocks in the smallest form. `old` are their older versions, one after the other.
    pub fn changed(&mut self, raw: &[u8], old: &'a [u8], out: &mut Vec<u8>) -> Result<Group> {
        frame(&mut self.context, raw, Some(old), &mut self.frame)?;
        let mut best = (Shape::Against, self.frame.as_slice());
        // Blocks that say something else now may be smaller without what they said before.
        if best.1.len() > raw.len() / 4 {
            frame(&mut self.context, raw, None, &mut self.other)?;
            if self.other.len() < best.1.len() {
                best = (Shape::Alone, &self.other);
            }
        }
        if best.1.len() >= raw.len() {
            best = (Shape::Plain, raw);
        }
        out.extend_from_slice(best.1);
        Ok(Group { shape: best.0, raw: raw.len(), stored: best.1.len() })
    }
}

fn frame<'a>(context: &mut CCtx<'a>, raw: &[u8], prefix: Option<&'a [u8]>, to: &mut Vec<u8>) -> Result<()> {
    to.clear();
    to.reserve(zstd::zstd_safe::compress_bound(raw.len()));
    if let Some(prefix) = prefix {
        context.ref_prefix(prefix).map_err(failed)?;
    }
    context.compress2(to, raw).map_err(failed)?;
    to.drain(..FRAME.len());
    Ok(())
}

/// A frame of its own: tables and indexes.
pub(super) fn pack(raw: &[u8]) -> Result<Vec<u8>> {
    let mut packing = Packing::new()?;
    frame(&mut packing.context, raw, None, &mut packing.frame)?;
    Ok(packing.frame)
}

/// What [`pack`] packed, at most `limit` bytes.
pub(super) fn unpack(stored: &[u8], limit: usize) -> Result<Vec<u8>> {
    open(stored, &[], limit)
}

/// The bytes of a group; `old` are the older versions of its blocks.
pub(super) fn bytes(group: &Group, stored: Vec<u8>, old: &[u8]) -> Result<Vec<u8>> {
    let raw = match group.shape {
        Shape::Raw | Shape::Plain => stored,
        Shape::Packed | Shape::Alone => open(&stored, &[], group.raw)?,
        Shape::Against => open(&stored, old, group.raw)?,
    };
    if raw.len() != group.raw {
        return Err(damaged("a group has another length than its table says"));
    }
    Ok(raw)
}

fn open(stored: &[u8], prefix: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(FRAME.len() + stored.len());
    frame.extend_from_slice(&FRAME);
    frame.extend_from_slice(stored);
    let mut context = DCtx::create();
    let broken = |code| damaged(&format!("a group does not unpack: {}", get_error_name(code)));
    if !prefix.is_empty() {
        context.ref_prefix(prefix).map_err(broken)?;
    }
    let mut raw = Vec::with_capacity(limit);
    context.decompress(&mut raw, &frame).map_err(broken)?;
    Ok(raw)
}

fn failed(code: usize) -> Error {
    let text = format!("The history could not be packed: {}", get_error_name(code));
    Error::new(ErrorKind::Failed, "history_writer", text)
}
