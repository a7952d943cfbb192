//! The trials themselves, as Parquet: what anybody needs to compute other figures.

use crate::answers::AnswerSet;
use crate::protocol::Protocol;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use seamline_core::Label;
use std::io::Write;
use std::sync::Arc;

/// Columns: `score` and `llr` are turned so that higher supports spoof, and null where there is none; `silence`
/// says why there is no score.
const SCHEMA: &str = "message trials {
    required binary detector (UTF8);
    required binary aspect (UTF8);
    required binary condition (UTF8);
    required binary trial (UTF8);
    optional binary sha256 (UTF8);
    required binary modality (UTF8);
    required binary source (UTF8);
    required binary generator (UTF8);
    required binary family (UTF8);
    required binary label (UTF8);
    optional double score;
    optional double llr;
    required boolean calls_spoof;
    optional binary silence (UTF8);
}";

/// Rows of one group: bounds memory to a few columns of these.
const GROUP_ROWS: usize = 1 << 18;

/// One row a trial and detector, in the order of detectors, then of the protocol.
pub fn write_parquet<W: Write + Send>(
    out: W,
    protocol: &Protocol,
    set: &AnswerSet,
) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    let mut rows = Vec::new();
    for (key, answers) in set {
        for (&trial, answer) in &answers.by_trial {
            if let Some(trial) = protocol.trials.get(trial) {
                rows.push((key, trial, answer));
            }
            if rows.len() == GROUP_ROWS {
                group(&mut writer, &rows)?;
                rows.clear();
            }
        }
    }
    if !rows.is_empty() {
        group(&mut writer, &rows)?;
    }
    writer.close().map(drop)
}

type Row<'a> = (&'a crate::answers::Key, &'a crate::protocol::Trial, &'a crate::answers::Answer);

fn group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    rows: &[Row<'_>],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let g = &mut group;
    let text = |f: fn(&Row<'_>) -> String| rows.iter().map(|r| ByteArray::from(f(r).into_bytes())).collect();
    required::<ByteArrayType, _>(g, text(|r| r.0.detector.clone()))?;
    required::<ByteArrayType, _>(g, text(|r| r.0.aspect.clone()))?;
    required::<ByteArrayType, _>(g, text(|r| r.0.condition.clone()))?;
    required::<ByteArrayType, _>(g, text(|r| r.1.id.clone()))?;
    let some = |t: String| ByteArray::from(t.into_bytes());
    optional::<ByteArrayType, _>(g, rows.iter().map(|r| r.1.sha256.map(|h| some(h.to_string()))))?;
    required::<ByteArrayType, _>(g, text(|r| r.1.modality.as_str().into()))?;
    required::<ByteArrayType, _>(g, text(|r| r.1.source.clone()))?;
    required::<ByteArrayType, _>(g, text(|r| r.1.generator.clone()))?;
    required::<ByteArrayType, _>(g, text(|r| r.1.family.clone()))?;
    let label = |r: &Row<'_>| if r.1.label == Label::Spoof { "spoof" } else { "bonafide" }.to_owned();
    required::<ByteArrayType, _>(g, text(label))?;
    optional::<DoubleType, _>(g, rows.iter().map(|r| r.2.score.map(|s| s.toward_spoof())))?;
    optional::<DoubleType, _>(g, rows.iter().map(|r| r.2.llr.map(|l| l.nats())))?;
    required::<BoolType, _>(g, rows.iter().map(|r| r.2.calls_spoof).collect())?;
    optional::<ByteArrayType, _>(g, rows.iter().map(|r| r.2.silence.clone().map(some)))?;
    group.close().map(drop)
}

fn required<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: Vec<T::T>,
) -> Result<(), ParquetError> {
    write::<T, W>(group, &values, None)
}

fn optional<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let (mut there, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    write::<T, W>(group, &there, Some(&levels))
}

fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".into()));
    };
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
