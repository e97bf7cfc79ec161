"""The project's own odd and bad inputs, by kind; each file is a table and what makes its inputs."""

from tests.faults.corpus import (
    areas,
    batches,
    broken,
    chip_indexes,
    colours,
    databases,
    datasets,
    destinations,
    edited,
    georeference,
    hostile,
    limits,
    marks,
    models,
    networks,
    numbers,
    outputs,
    places,
    shapefiles,
    sources,
    starts,
    unsuited,
    vectors,
)

KINDS = {
    "georeference": georeference.CASES + places.CASES,
    "bands and numbers": numbers.CASES + marks.CASES + colours.CASES,
    "files that lie or break": broken.CASES,
    "outputs": outputs.CASES + destinations.CASES,
    "batches": batches.CASES,
    "limits": limits.CASES,
    "hostile files": hostile.CASES + sources.CASES + databases.CASES,
    "models": models.CASES + networks.CASES + starts.CASES,
    "chips and data sets": chip_indexes.CASES + datasets.CASES,
    "vectors": vectors.CASES + shapefiles.CASES + edited.CASES + areas.CASES + unsuited.CASES,
}
CASES = [case for cases in KINDS.values() for case in cases]
