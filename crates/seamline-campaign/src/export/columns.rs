//! The table of a campaign as Parquet: the rows and columns of the CSV, typed, and without its apostrophes.

use super::{Dossier, text::rows};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

const SCHEMA: &str = "message sightings {
    optional binary sha256 (UTF8);
    optional binary path (UTF8);
    optional int64 size;
    optional binary conclusion (UTF8);
    optional double llr;
    optional int64 seen_at (TIMESTAMP(MILLIS, true));
    optional binary channel (UTF8);
    optional binary url (UTF8);
    optional binary cluster (UTF8);
    optional boolean confirmed;
}";

/// One row a sighting (one a clip without any); what is not known is null.
pub fn parquet(d: &Dossier) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let rows = rows(d);
    let mut group = writer.next_row_group()?;
    let g = &mut group;
    let text = |t: &str| Some(ByteArray::from(t.as_bytes().to_vec()));
    let said = |t: &str| if t.is_empty() { None } else { text(t) };
    column::<ByteArrayType>(g, rows.iter().map(|r| text(&r.0.sha256.to_string())))?;
    column::<ByteArrayType>(g, rows.iter().map(|r| text(&r.0.path)))?;
    column::<Int64Type>(g, rows.iter().map(|r| i64::try_from(r.0.size).ok()))?;
    column::<ByteArrayType>(g, rows.iter().map(|r| text(&r.0.conclusion)))?;
    column::<DoubleType>(g, rows.iter().map(|r| r.0.llr))?;
    column::<Int64Type>(g, rows.iter().map(|r| r.1.map(|s| s.seen_at.as_millis())))?;
    column::<ByteArrayType>(g, rows.iter().map(|r| said(&r.1?.channel)))?;
    column::<ByteArrayType>(g, rows.iter().map(|r| said(&r.1?.url)))?;
    column::<ByteArrayType>(g, rows.iter().map(|_| text(&d.title())))?;
    column::<BoolType>(g, rows.iter().map(|_| Some(d.detail.summary.confirmed)))?;
    group.close()?;
    writer.into_inner()
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let (mut there, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".into()));
    };
    column.typed::<T>().write_batch(&there, Some(&levels), None)?;
    column.close()
}
