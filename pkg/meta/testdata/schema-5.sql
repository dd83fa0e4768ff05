pragma application_id = 1650682482;
CREATE TABLE BATCHCTL_REPOSITORY (
	REPOSITORY_ID varchar(36) not null primary key,
	SCHEMA_VERSION bigint not null,
	LOCK_FOLDER_ID varchar(36),
	CREATE_TIME timestamp not null
);
INSERT INTO BATCHCTL_REPOSITORY VALUES('5f0c9a52-6a4e-4a58-9a3f-0f2b8f5f7c11',5,'c1de0f7e31d74c558f0e2f3a4d5b6c22','2026-11-21 00:30:00.123456');
CREATE TABLE BATCH_JOB_INSTANCE (
	JOB_INSTANCE_ID integer primary key autoincrement,
	VERSION bigint not null,
	JOB_NAME varchar(250) not null,
	JOB_KEY varchar(64) not null,
	unique (JOB_NAME, JOB_KEY)
);
INSERT INTO BATCH_JOB_INSTANCE VALUES(1,0,'import','cca0bed9657f105d321bcd12eb650142728d7781adf0a7e4736a0447f293194d');
CREATE TABLE BATCHCTL_DEFINITION (
	DEFINITION_HASH varchar(64) not null primary key,
	DEFINITION_TEXT text not null,
	CREATE_TIME timestamp not null
);
INSERT INTO BATCHCTL_DEFINITION VALUES('f068ef2c9904f0b99ed743e01596bea63dabd4411ba4407eaae259f4782b2e52',replace('job: import\nsteps: []\n','\n',char(10)),'2026-11-21 00:30:00.123456');
CREATE TABLE BATCH_JOB_EXECUTION (
	JOB_EXECUTION_ID integer primary key autoincrement,
	VERSION bigint not null,
	JOB_INSTANCE_ID bigint not null references BATCH_JOB_INSTANCE (JOB_INSTANCE_ID),
	CREATE_TIME timestamp not null,
	START_TIME timestamp,
	END_TIME timestamp,
	STATUS varchar(10) not null,
	EXIT_CODE varchar(2500) not null,
	EXIT_MESSAGE varchar(2500) not null,
	LAST_UPDATED timestamp not null,
	DEFINITION_HASH varchar(64) not null references BATCHCTL_DEFINITION (DEFINITION_HASH),
	DEFINITION_PATH text not null,
	DEFINITION_BASE text not null,
	STOP_REQUESTED timestamp,
	CHECKSUM bigint not null
);
INSERT INTO BATCH_JOB_EXECUTION VALUES(1,2,1,'2026-11-21 00:30:00.123456','2026-11-21 00:30:00.123456','2026-11-21 00:30:00.123456','FAILED','FAILED','','2026-11-21 00:30:00.123456','f068ef2c9904f0b99ed743e01596bea63dabd4411ba4407eaae259f4782b2e52','/jobs/import.yaml','/jobs',NULL,920925715);
CREATE TABLE BATCH_JOB_EXECUTION_PARAMS (
	JOB_EXECUTION_ID bigint not null references BATCH_JOB_EXECUTION (JOB_EXECUTION_ID),
	PARAMETER_NAME varchar(100) not null,
	PARAMETER_TYPE varchar(100) not null,
	PARAMETER_VALUE text not null,
	IDENTIFYING char(1) not null,
	SECRET char(1) not null
);
INSERT INTO BATCH_JOB_EXECUTION_PARAMS VALUES(1,'date','date','2026-11-20','Y','N');
CREATE TABLE BATCH_JOB_EXECUTION_CONTEXT (
	JOB_EXECUTION_ID bigint not null primary key references BATCH_JOB_EXECUTION (JOB_EXECUTION_ID),
	SHORT_CONTEXT varchar(2500) not null,
	SERIALIZED_CONTEXT text,
	CHECKSUM bigint not null
);
INSERT INTO BATCH_JOB_EXECUTION_CONTEXT VALUES(1,'{"total":"12.50"}',NULL,1227604412);
CREATE TABLE BATCH_STEP_EXECUTION (
	STEP_EXECUTION_ID integer primary key autoincrement,
	VERSION bigint not null,
	STEP_NAME varchar(1000) not null,
	JOB_EXECUTION_ID bigint not null references BATCH_JOB_EXECUTION (JOB_EXECUTION_ID),
	CREATE_TIME timestamp not null,
	START_TIME timestamp,
	END_TIME timestamp,
	STATUS varchar(10) not null,
	COMMIT_COUNT bigint not null,
	READ_COUNT bigint not null,
	FILTER_COUNT bigint not null,
	WRITE_COUNT bigint not null,
	READ_SKIP_COUNT bigint not null,
	WRITE_SKIP_COUNT bigint not null,
	PROCESS_SKIP_COUNT bigint not null,
	ROLLBACK_COUNT bigint not null,
	EXIT_CODE varchar(2500) not null,
	EXIT_MESSAGE varchar(2500) not null,
	LAST_UPDATED timestamp not null,
	RETRY_COUNT bigint not null,
	VISIT bigint not null,
	TOTAL_COUNTS text not null,
	CHECKSUM bigint not null, TIMES text
);
INSERT INTO BATCH_STEP_EXECUTION VALUES(1,2,'load',1,'2026-11-21 00:30:00.123456','2026-11-21 00:30:00.123456','2026-11-21 00:30:00.123456','FAILED',3,0,0,0,0,0,0,0,'EXECUTING','','2026-11-21 00:30:00.123456',0,0,'{"read_count":0,"write_count":0,"filter_count":0,"read_skip_count":0,"process_skip_count":0,"write_skip_count":0,"commit_count":0,"rollback_count":0,"retry_count":0}',1418576973,'{"read_seconds":0.25,"process_seconds":0,"write_seconds":0.5,"commit_seconds":0.125,"reader_wait_seconds":0,"writer_wait_seconds":0,"pause_seconds":0,"readers":1,"workers":1,"writers":1}');
CREATE TABLE BATCH_STEP_EXECUTION_CONTEXT (
	STEP_EXECUTION_ID bigint not null primary key references BATCH_STEP_EXECUTION (STEP_EXECUTION_ID),
	SHORT_CONTEXT varchar(2500) not null,
	SERIALIZED_CONTEXT text,
	CHECKSUM bigint not null
);
INSERT INTO BATCH_STEP_EXECUTION_CONTEXT VALUES(1,'{}',NULL,2670776800);
CREATE TABLE BATCHCTL_OWNER (
	JOB_EXECUTION_ID bigint not null primary key references BATCH_JOB_EXECUTION (JOB_EXECUTION_ID),
	LOCK_FOLDER_ID varchar(36) not null,
	LOCK_FOLDER text not null,
	LOCK_NAME text not null,
	HOST_NAME text not null,
	PROCESS_ID bigint not null,
	BOOT_ID text not null,
	START_TIME timestamp not null,
	LAST_HEARD timestamp not null,
	FOUND_DEAD timestamp,
	LEASE_UNTIL timestamp,
	LEASE_EPOCH bigint not null default 0
);
INSERT INTO BATCHCTL_OWNER VALUES(1,'c1de0f7e31d74c558f0e2f3a4d5b6c22','/var/lib/batchctl/batchctl.db.locks','import-1d12d137e16772a2e3076089.lock','db1',4711,'9c82abcc-1856-4fb1-82a6-2783cad20a8b','2026-11-21 00:30:00.123456','2026-11-21 00:30:00.123456',NULL,NULL,0);
CREATE TABLE batchctl_checkpoint (
	job text not null,
	instance text not null,
	step text not null,
	visit integer not null,
	lane integer not null,
	repository text not null,
	epoch bigint not null,
	seq bigint not null,
	phase text not null,
	ordinal bigint not null,
	reader text,
	writer text,
	counters text not null,
	checksum bigint not null,
	updated_at text not null,
	primary key (job, instance, step, visit, lane));
INSERT INTO batchctl_checkpoint VALUES('import','cca0bed9657f105d321bcd12eb650142728d7781adf0a7e4736a0447f293194d','load',0,0,'5f0c9a52-6a4e-4a58-9a3f-0f2b8f5f7c11',1,1,'running',3000,'{"offset":330000}','{"size":295000}','{"read_count":3000,"write_count":3000,"filter_count":0,"read_skip_count":0,"process_skip_count":0,"write_skip_count":0,"commit_count":3,"rollback_count":0,"retry_count":0}',3890222377,'2026-11-21T00:30:00Z');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('BATCH_JOB_INSTANCE',1);
INSERT INTO sqlite_sequence VALUES('BATCH_JOB_EXECUTION',1);
INSERT INTO sqlite_sequence VALUES('BATCH_STEP_EXECUTION',1);
CREATE INDEX BATCH_JOB_INSTANCE_NAME on BATCH_JOB_INSTANCE (JOB_NAME, JOB_INSTANCE_ID);
CREATE INDEX BATCH_JOB_EXECUTION_INSTANCE on BATCH_JOB_EXECUTION (JOB_INSTANCE_ID);
CREATE INDEX BATCH_JOB_EXECUTION_STATUS on BATCH_JOB_EXECUTION (STATUS);
CREATE INDEX BATCH_JOB_EXECUTION_PARAMS_EXECUTION on BATCH_JOB_EXECUTION_PARAMS (JOB_EXECUTION_ID);
CREATE INDEX BATCH_STEP_EXECUTION_NAME on BATCH_STEP_EXECUTION (JOB_EXECUTION_ID, STEP_NAME);
alter table BATCHCTL_OWNER add column TAKEN_BY_LEASE char(1);
CREATE TABLE BATCHCTL_STEP_OWNER (
	STEP_EXECUTION_ID bigint not null primary key references BATCH_STEP_EXECUTION (STEP_EXECUTION_ID) on delete cascade,
	HOST_NAME text not null,
	PROCESS_ID bigint not null,
	BOOT_ID text not null,
	LEASE_UNTIL timestamp,
	LEASE_EPOCH bigint not null
);
INSERT INTO BATCHCTL_STEP_OWNER VALUES(1,'batch-1',4711,'6f1f2f5e-0000-4000-8000-000000000000',NULL,1);
CREATE TABLE BATCHCTL_REPLAY (
	REPLAY_INSTANCE_ID bigint not null primary key references BATCH_JOB_INSTANCE (JOB_INSTANCE_ID),
	SOURCE_INSTANCE_ID bigint not null,
	STEP_NAME varchar(1000) not null,
	REPLAY_AGAIN char(1) not null,
	CHECKSUM bigint not null
);
CREATE TABLE BATCHCTL_REPLAYED (
	REPLAY_INSTANCE_ID bigint not null,
	PLACE bigint not null,
	JOB_INSTANCE_ID bigint not null,
	STEP_NAME varchar(1000) not null,
	LANE bigint not null,
	ORDINAL bigint not null,
	JOB_EXECUTION_ID bigint not null,
	REPLAYED_BY bigint,
	primary key (REPLAY_INSTANCE_ID, PLACE)
);
CREATE INDEX BATCHCTL_REPLAYED_LETTER on BATCHCTL_REPLAYED (JOB_INSTANCE_ID);
create table BATCHCTL_INTENT (
	job text not null,
	instance text not null,
	step text not null,
	visit integer not null,
	lane integer not null,
	epoch bigint not null,
	seq bigint not null,
	phase text not null,
	ordinal bigint not null,
	reader text,
	writer text,
	counters text not null,
	transaction_id bigint not null,
	system_id bigint not null,
	timeline bigint not null,
	database_id bigint not null,
	wal_position bigint not null,
	checksum bigint not null,
	primary key (job, instance, step, visit, lane),
	foreign key (job, instance, step, visit, lane) references batchctl_checkpoint (job, instance, step, visit, lane) on delete cascade);
