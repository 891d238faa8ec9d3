-- A database as version 1 of the tables had it.
BEGIN TRANSACTION;
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY, time REAL NOT NULL, revision INTEGER, principal TEXT NOT NULL,
    application TEXT NOT NULL, action TEXT NOT NULL, resource TEXT NOT NULL,
    outcome TEXT NOT NULL, address TEXT NOT NULL, request TEXT NOT NULL, count INTEGER NOT NULL,
    hash TEXT NOT NULL);
INSERT INTO "audit" VALUES(1,1795620511.89,1,'','','system:init','/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gatehouse/providers/Microsoft.ApiManagement/service/local','Succeeded','','',1,'45bc9add92de3bd021da52990171964ac83739dd3332a7a4482dc66ec82e5a27');
INSERT INTO "audit" VALUES(2,1795620514.51,2,'3ba29258-6833-4ac6-931a-0d2c806ebefc','dacaa5c9-495f-41c1-81f9-49a7f4d71287','Microsoft.ApiManagement/service/namedValues/write','/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gatehouse/providers/Microsoft.ApiManagement/service/local/namedValues/v0','Succeeded','127.0.0.1','2995018f-a6ed-41d7-b30f-2b1a6552983e',1,'1adbb6b54a38fb7b5b2ffe77d5115b1dc4ee3a2fa4a10488e84321f849533f9b');
INSERT INTO "audit" VALUES(3,1795620514.538,3,'3ba29258-6833-4ac6-931a-0d2c806ebefc','dacaa5c9-495f-41c1-81f9-49a7f4d71287','Microsoft.ApiManagement/service/namedValues/write','/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gatehouse/providers/Microsoft.ApiManagement/service/local/namedValues/v1','Succeeded','127.0.0.1','9a3f9c04-8925-4bf7-9a6a-c5942b82dc16',1,'4ef0431479ee2031bdffec58b580a377db15b7f3286e22f6c9063ab3ce95a058');
INSERT INTO "audit" VALUES(4,1795620514.582,4,'3ba29258-6833-4ac6-931a-0d2c806ebefc','dacaa5c9-495f-41c1-81f9-49a7f4d71287','Microsoft.ApiManagement/service/apis/write','/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gatehouse/providers/Microsoft.ApiManagement/service/local/apis/echo','Succeeded','127.0.0.1','b48cad4d-f440-499d-9e73-c05d30e2abb2',1,'1c98e3454052b7adc3fd3e83533402f2ba7463d1cf6c298d6d071d49da04051b');
INSERT INTO "audit" VALUES(5,1795620514.639,5,'3ba29258-6833-4ac6-931a-0d2c806ebefc','dacaa5c9-495f-41c1-81f9-49a7f4d71287','Microsoft.ApiManagement/service/apis/operations/write','/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gatehouse/providers/Microsoft.ApiManagement/service/local/apis/echo/operations/get','Succeeded','127.0.0.1','8f61d15f-3c58-491e-8a7b-7be789295f14',1,'ead537e6b45577ada275000dbddfc8bed24fecf94b628ec4a7b0bc80a78fe3ef');
INSERT INTO "audit" VALUES(6,1795620514.69,6,'3ba29258-6833-4ac6-931a-0d2c806ebefc','dacaa5c9-495f-41c1-81f9-49a7f4d71287','Microsoft.ApiManagement/service/products/write','/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gatehouse/providers/Microsoft.ApiManagement/service/local/products/starter','Succeeded','127.0.0.1','eb7360df-0034-4bb1-8431-d160424f86f8',1,'a1f5c7aad391ed069fdc7a2af27f9385b1c3fcd4529fce7c997ce5e2d865dee5');
INSERT INTO "audit" VALUES(7,1795620514.791,7,'3ba29258-6833-4ac6-931a-0d2c806ebefc','dacaa5c9-495f-41c1-81f9-49a7f4d71287','Microsoft.ApiManagement/service/products/apis/write','/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gatehouse/providers/Microsoft.ApiManagement/service/local/products/starter/apis/echo','Succeeded','127.0.0.1','0834559b-44bb-494f-b6e5-dd25efbe9f3f',1,'b1a30f16aa473868c37381dac32f38884520d2900f1f4cb8388bfc2d1e4c991d');
INSERT INTO "audit" VALUES(8,1795620514.815,8,'3ba29258-6833-4ac6-931a-0d2c806ebefc','dacaa5c9-495f-41c1-81f9-49a7f4d71287','Microsoft.ApiManagement/service/subscriptions/write','/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gatehouse/providers/Microsoft.ApiManagement/service/local/subscriptions/one','Succeeded','127.0.0.1','c91a29c1-8041-4bb0-99c1-436e2f3c05af',1,'57badc84361c7a3e46032bba450ef685f6452083ca08c185082acb4482ea1acb');
CREATE TABLE change (
    revision INTEGER NOT NULL, ordinal INTEGER NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL,
    verb TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (revision, ordinal)) WITHOUT ROWID;
INSERT INTO "change" VALUES(1,1,'','service','put','');
INSERT INTO "change" VALUES(1,2,'/groups/administrators','groups','put','');
INSERT INTO "change" VALUES(1,3,'/groups/developers','groups','put','');
INSERT INTO "change" VALUES(1,4,'/groups/guests','groups','put','');
INSERT INTO "change" VALUES(1,5,'/users/1','users','put','');
INSERT INTO "change" VALUES(1,6,'/subscriptions/master','subscriptions','put','f4,f7');
INSERT INTO "change" VALUES(1,7,'/policies/policy','policies','put','');
INSERT INTO "change" VALUES(1,8,'/gateways/default','gateways','put','');
INSERT INTO "change" VALUES(1,9,'/gatehouse/principals/owner','gatehouse/principals','put','');
INSERT INTO "change" VALUES(1,10,'/authorization/roleAssignments/8ce5ee40-fb66-4e29-a525-e20e0952323d','authorization/roleAssignments','put','');
INSERT INTO "change" VALUES(2,1,'/namedValues/v0','namedValues','put','');
INSERT INTO "change" VALUES(3,1,'/namedValues/v1','namedValues','put','');
INSERT INTO "change" VALUES(4,1,'/apis/echo','apis','put','');
INSERT INTO "change" VALUES(5,1,'/apis/echo/operations/get','apis/operations','put','');
INSERT INTO "change" VALUES(6,1,'/products/starter','products','put','');
INSERT INTO "change" VALUES(6,2,'/products/starter/groups/administrators','products/groups','put','');
INSERT INTO "change" VALUES(7,1,'/products/starter/apis/echo','products/apis','put','');
INSERT INTO "change" VALUES(8,1,'/subscriptions/one','subscriptions','put','29,ef');
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO "grdb_migrations" VALUES('1 resources');
CREATE TABLE reference (
    source TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (source, target)) WITHOUT ROWID;
INSERT INTO "reference" VALUES('/subscriptions/one','/products/starter');
CREATE TABLE resource (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, parent TEXT NOT NULL,
    name TEXT NOT NULL, properties TEXT NOT NULL, etag TEXT NOT NULL, created REAL NOT NULL,
    modified REAL NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "resource" VALUES('','','service','','','{"properties":{"publisherEmail":"administrator@localhost.localdomain","publisherName":"Gatehouse"},"location":"local","sku":{"name":"Developer","capacity":1}}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/apis/echo','/apis/echo','apis','','echo','{"displayName":"Echo","subscriptionRequired":true,"serviceUrl":"https://backend.example","path":"echo","protocols":["https"],"authenticationSettings":{"oAuth2":null,"openid":null},"subscriptionKeyParameterNames":{"header":"Ocp-Apim-Subscription-Key","query":"subscription-key"}}','"AAAAAAAAAAQ="',1795620514.582,1795620514.582,4);
INSERT INTO "resource" VALUES('/apis/echo/operations/get','/apis/echo/operations/get','apis/operations','/apis/echo','get','{"displayName":"Get","method":"GET","urlTemplate":"/things/{id}","templateParameters":[{"name":"id","type":"string","values":[],"required":true}],"request":{"queryParameters":[],"headers":[],"representations":[]},"responses":[]}','"AAAAAAAAAAU="',1795620514.639,1795620514.639,5);
INSERT INTO "resource" VALUES('/authorization/roleassignments/8ce5ee40-fb66-4e29-a525-e20e0952323d','/authorization/roleAssignments/8ce5ee40-fb66-4e29-a525-e20e0952323d','authorization/roleAssignments','/authorization','8ce5ee40-fb66-4e29-a525-e20e0952323d','{"scope":"/","roleDefinition":"8e3af657-a8ff-443c-a75c-2fe8c4bcb635","principalId":"3ba29258-6833-4ac6-931a-0d2c806ebefc","principalType":"ServicePrincipal","description":"The first owner.","createdOn":"2026-11-25T15:28:31.89Z","createdBy":"3ba29258-6833-4ac6-931a-0d2c806ebefc"}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/gatehouse/principals/owner','/gatehouse/principals/owner','gatehouse/principals','/gatehouse','owner','{"displayName":"owner","federated":[],"clientId":"dacaa5c9-495f-41c1-81f9-49a7f4d71287","objectId":"3ba29258-6833-4ac6-931a-0d2c806ebefc"}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/gateways/default','/gateways/default','gateways','','default','{"locationData":{"name":"default"},"description":"The gateway that serves every API."}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/groups/administrators','/groups/administrators','groups','','administrators','{"displayName":"Administrators","description":"Administrators is a built-in group containing the admin email account provided at the time of service creation. Its membership is managed by the system.","builtIn":true,"type":"system"}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/groups/developers','/groups/developers','groups','','developers','{"displayName":"Developers","description":"Developers is a built-in group. Its membership is managed by the system. Signed-in users fall into this group.","builtIn":true,"type":"system"}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/groups/guests','/groups/guests','groups','','guests','{"displayName":"Guests","description":"Guests is a built-in group. Its membership is managed by the system. Unauthenticated users visiting the developer portal fall into this group.","builtIn":true,"type":"system"}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/namedvalues/v0','/namedValues/v0','namedValues','','v0','{"displayName":"v0","tags":[],"secret":true}','"AAAAAAAAAAI="',1795620514.51,1795620514.51,2);
INSERT INTO "resource" VALUES('/namedvalues/v1','/namedValues/v1','namedValues','','v1','{"displayName":"v1","tags":[],"secret":true}','"AAAAAAAAAAM="',1795620514.538,1795620514.538,3);
INSERT INTO "resource" VALUES('/policies/policy','/policies/policy','policies','','policy','{"format":"xml","value":"<policies><inbound /><backend><forward-request /></backend><outbound /><on-error /></policies>"}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/products/starter','/products/starter','products','','starter','{"displayName":"Starter","subscriptionRequired":true,"approvalRequired":false,"state":"notPublished"}','"AAAAAAAAAAY="',1795620514.69,1795620514.69,6);
INSERT INTO "resource" VALUES('/products/starter/apis/echo','/products/starter/apis/echo','products/apis','/products/starter','echo','{}','"AAAAAAAAAAc="',1795620514.791,1795620514.791,7);
INSERT INTO "resource" VALUES('/products/starter/groups/administrators','/products/starter/groups/administrators','products/groups','/products/starter','administrators','{}','"AAAAAAAAAAY="',1795620514.69,1795620514.69,6);
INSERT INTO "resource" VALUES('/subscriptions/master','/subscriptions/master','subscriptions','','master','{"scope":"/","displayName":"Built-in all-access subscription","state":"active","allowTracing":false,"createdDate":"2026-11-25T15:28:31.89Z"}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
INSERT INTO "resource" VALUES('/subscriptions/one','/subscriptions/one','subscriptions','','one','{"scope":"/products/starter","displayName":"One","state":"active","createdDate":"2026-11-25T15:28:34.815Z"}','"AAAAAAAAAAg="',1795620514.815,1795620514.815,8);
INSERT INTO "resource" VALUES('/users/1','/users/1','users','','1','{"firstName":"Administrator","lastName":"","email":"administrator@localhost.localdomain","state":"active","registrationDate":"2026-11-25T15:28:31.89Z","identities":[{"provider":"Azure","id":"administrator@localhost.localdomain"}]}','"AAAAAAAAAAE="',1795620511.89,1795620511.89,1);
CREATE TABLE secret (
    resource TEXT NOT NULL, field TEXT NOT NULL, key_id TEXT NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (resource, field)) WITHOUT ROWID;
INSERT INTO "secret" VALUES('/gatehouse/principals/owner','clientSecretHash','gone',X'00');
INSERT INTO "secret" VALUES('/gateways/default','primary','gone',X'00');
INSERT INTO "secret" VALUES('/gateways/default','secondary','gone',X'00');
INSERT INTO "secret" VALUES('/namedvalues/v0','value','gone',X'00');
INSERT INTO "secret" VALUES('/namedvalues/v1','value','gone',X'00');
INSERT INTO "secret" VALUES('/subscriptions/master','primaryKey','gone',X'00');
INSERT INTO "secret" VALUES('/subscriptions/master','secondaryKey','gone',X'00');
INSERT INTO "secret" VALUES('/subscriptions/one','primaryKey','gone',X'00');
INSERT INTO "secret" VALUES('/subscriptions/one','secondaryKey','gone',X'00');
INSERT INTO "secret" VALUES('/~/controller','issuerKey','gone',X'00');
INSERT INTO "secret" VALUES('/~/controller','issuerKeyID','gone',X'00');
INSERT INTO "secret" VALUES('/~/controller','operationKey','gone',X'00');
INSERT INTO "secret" VALUES('/~/controller','pepper','gone',X'00');
INSERT INTO "secret" VALUES('/~/snapshot-keys','data','gone',X'00');
INSERT INTO "secret" VALUES('/~/snapshot-keys','signing','gone',X'00');
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "setting" VALUES('directory','16326698:1795620511649035331');
CREATE TABLE uniqueness (
    scope TEXT NOT NULL, value TEXT NOT NULL, resource TEXT NOT NULL,
    PRIMARY KEY (scope, value)) WITHOUT ROWID;
INSERT INTO "uniqueness" VALUES('apis.path','echo','/apis/echo');
INSERT INTO "uniqueness" VALUES('operations:/apis/echo','GET /things/{}','/apis/echo/operations/get');
INSERT INTO "uniqueness" VALUES('roleAssignments','|3ba29258-6833-4ac6-931a-0d2c806ebefc|8e3af657-a8ff-443c-a75c-2fe8c4bcb635','/authorization/roleassignments/8ce5ee40-fb66-4e29-a525-e20e0952323d');
INSERT INTO "uniqueness" VALUES('groups.displayName','administrators','/groups/administrators');
INSERT INTO "uniqueness" VALUES('groups.displayName','developers','/groups/developers');
INSERT INTO "uniqueness" VALUES('groups.displayName','guests','/groups/guests');
INSERT INTO "uniqueness" VALUES('namedValues.displayName','v0','/namedvalues/v0');
INSERT INTO "uniqueness" VALUES('namedValues.displayName','v1','/namedvalues/v1');
INSERT INTO "uniqueness" VALUES('products.displayName','starter','/products/starter');
INSERT INTO "uniqueness" VALUES('subscriptions.key','f4ab8110f082017752e9f5637ff1547f2a0b623b4ad9b9530fe8f9d509ee05e2','/subscriptions/master');
INSERT INTO "uniqueness" VALUES('subscriptions.key','f71813ed6fef3f8557a134fdc8b2cb76c3a4b2518202f70e88a58ce785ad7bc2','/subscriptions/master');
INSERT INTO "uniqueness" VALUES('subscriptions.key','29d76859a28263b8254243158efd1fe161d4bd3d4861a10b8e2bd59296f2fc08','/subscriptions/one');
INSERT INTO "uniqueness" VALUES('subscriptions.key','efd6ea36ab7b80b22402c1bffba1e3aa3668f3029c90d185ea5f0f499fca7670','/subscriptions/one');
INSERT INTO "uniqueness" VALUES('users.email','administrator@localhost.localdomain','/users/1');
CREATE INDEX resource_kind ON resource (kind, parent, name);
CREATE INDEX resource_kind_name ON resource (kind, name);
CREATE INDEX reference_target ON reference (target);
CREATE INDEX uniqueness_resource ON uniqueness (resource);
CREATE INDEX audit_time ON audit (time);
COMMIT;
