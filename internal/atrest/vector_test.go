package atrest

// What docs/spec/atrest.md says of the data key of 32 bytes 07.
const (
	vectorID         = "98b63232"
	vectorSealed     = "0198b63232904e98dba7073e7f48664dfbf87b3aabbbbffc60188b55d2d9957aea24edd07b2b8445e24760cf9727874a9f7901c3"
	vectorToken      = "982a44f1e57649f0dee83afee0d1e17dfad7707f7e692300a67e4da20192bc11"
	vectorClearToken = "49aca084e7deab8061f4e6ad91d614423fb62e3a6447823f3faeb7c9169ef50e"
)
